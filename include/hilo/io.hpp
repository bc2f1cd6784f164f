// System calls that wait for a descriptor, for fibers. They look like the blocking system calls,
// but park only the fiber, and its carrier runs others. They use io_uring, or epoll if the kernel
// refuses io_uring.
//
//   char line[512];
//   const auto got = hilo::io::read(STDIN_FILENO, line, sizeof line, 5s);
//   if (!got) std::printf("%s\n", hilo::to_string(got.status()));
//
// Each call does the same as the call of that name in section 2 of the manual, and waits also if
// the descriptor is in non-blocking mode. It returns a value, or the reason why there is none
// (hilo/result.hpp), and does not use errno. A limit ends it like every other wait
// (hilo/limit.hpp): the optional last argument, with_deadline and with_stop around it, and the
// fiber's own stop request. A call that a limit ends returns only when the kernel no longer touches
// its buffer. If the kernel had transferred bytes by then, they are the result, so no byte is lost.
// Sockets, and the parts that a protocol needs, are in hilo/net.hpp.
//
// Parks: all of them except shutdown. Callable from: any fiber or kernel thread. A kernel thread
// blocks in the system call itself or, if it has a limit, in ppoll.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "hilo/detail/api.hpp"
#include "hilo/detail/deadline.hpp"
#include "hilo/detail/ready_case.hpp"
#include "hilo/result.hpp"
#include "hilo/runtime.hpp"

#ifndef STATX_BASIC_STATS  // a libc that leaves statx to the kernel's header
#include <linux/stat.h>
#endif

namespace hilo::io {

// The end of a call's wait: a duration from now, a time, or nothing for no end. When it comes, the
// call ends with timed_out. A time of another clock than steady_clock is turned into the time that
// is left when this object is made. If that clock is set later, or goes at another pace, the end
// does not follow it: the call may end before or after that clock shows the time.
class until {
 public:
  constexpr until() noexcept = default;
  // NOLINTBEGIN(google-explicit-constructor): a duration or a time is passed for it
  template <class R, class P>
  until(std::chrono::duration<R, P> from_now) noexcept : ns_(detail::deadline_after(from_now)) {}
  template <class C, class D>
  until(std::chrono::time_point<C, D> when) noexcept : ns_(detail::deadline_at(when)) {}
  // NOLINTEND(google-explicit-constructor)
  // CLOCK_MONOTONIC, nanoseconds.
  constexpr std::int64_t ns() const noexcept { return ns_; }

 private:
  std::int64_t ns_ = detail::no_deadline;
};

// Return the number of bytes transferred: at least 1, at most what was available or fitted; 0 is
// the end. Errors: those of read(2), write(2). Writing to a pipe or socket without a reader raises
// SIGPIPE unless the program ignores it; send and sendmsg never raise it.
HILO_API result<std::size_t> read(int fd, void* buffer, std::size_t size, until = {}) noexcept;
HILO_API result<std::size_t> write(int fd, const void* data, std::size_t size, until = {}) noexcept;
HILO_API result<std::size_t> readv(int fd, const iovec* buffers, int count, until = {}) noexcept;
HILO_API result<std::size_t> writev(int fd, const iovec* data, int count, until = {}) noexcept;
HILO_API result<std::size_t> pread(int fd, void* buffer, std::size_t size, std::int64_t offset,
                                   until = {}) noexcept;
HILO_API result<std::size_t> pwrite(int fd, const void* data, std::size_t size, std::int64_t offset,
                                    until = {}) noexcept;

// Reads as read does if that needs no wait; else would_block. A file may make it wait for the disk.
// Never parks; would_block counts (docs/fibers.md).
HILO_API result<std::size_t> try_read(int fd, void* buffer, std::size_t size) noexcept;

// Errors: those of recv(2), send(2). send and sendmsg add MSG_NOSIGNAL.
HILO_API result<std::size_t> recv(int fd, void* buffer, std::size_t size, int flags = 0,
                                  until = {}) noexcept;
HILO_API result<std::size_t> send(int fd, const void* data, std::size_t size, int flags = 0,
                                  until = {}) noexcept;
HILO_API result<std::size_t> recvmsg(int fd, msghdr* message, int flags = 0, until = {}) noexcept;
HILO_API result<std::size_t> sendmsg(int fd, const msghdr* message, int flags = 0,
                                     until = {}) noexcept;

// Returns the new descriptor, which is close-on-exec. The epoll driver sets the listening socket's
// non-blocking mode. Errors: those of accept4(2).
HILO_API result<int> accept(int fd, sockaddr* peer = nullptr, socklen_t* size = nullptr,
                            int flags = SOCK_CLOEXEC, until = {}) noexcept;
// The epoll driver sets the socket's non-blocking mode. If a limit ends the call, the socket can
// only be closed. If this socket has already begun to connect, the call waits for that connection.
// If the queue of a Unix socket listener is full, the call tries again every few milliseconds.
// Errors: those of connect(2).
HILO_API result<void> connect(int fd, const sockaddr* peer, socklen_t size, until = {}) noexcept;

// Waits until one of `events` holds (POLLIN, POLLOUT, POLLPRI, POLLRDHUP) or the descriptor has
// failed or hung up, and returns the events that hold. For libraries that tell you which descriptor
// they wait for. Files are always ready. Errors: EBADF.
HILO_API result<short> poll(int fd, short events, until = {}) noexcept;

// A case of a select (hilo/select.hpp): ready once poll() with these events would return; `ready`
// then holds the result of that poll().
//
//   hilo::result<short> ready = 0;
//   switch (hilo::select{hilo::io::ready_of(fd, POLLIN, ready), hilo::stop_of(token)}) {
//     case 0: if (ready) take_what_is_there(fd); break;  // else ready.error() says why
//     case 1: return;
//   }
//
// `ready` is written only when the case is taken. The select's `end` is then ready.status(). If
// other callers use the descriptor too, they may read or write it before this caller does, so set
// its non-blocking mode. With `enabled` false the case is left out, and keeps its number.
// Parks: as the select does, and then until the kernel no longer uses the descriptor; after that it
// may be closed in any way. If the descriptor is already ready, poll(2) finds it and there is no
// such wait. Callable from: any fiber or thread; in a kernel thread without a fiber, the select
// starts a further kernel thread while it waits. Errors: EBADF; closed if close() is called
// meanwhile; the kernel's error if the kernel cannot wait for the descriptor. Ordering: only that
// of the kernel.
inline detail::ready_case ready_of(int fd, short events, result<short>& ready,
                                   bool enabled = true) noexcept {
  return {fd, events, ready, enabled};
}

// Files. The epoll driver makes these calls, and the calls above on a file, as by hilo::blocking. A
// limit then does not end a call that has begun. It does end the wait for a spare carrier before
// the call, and the wait of open for the other end of a FIFO. If splice is used with a socket, the
// epoll driver sets the socket's non-blocking mode. Errors: those of openat(2), fsync(2), statx(2),
// splice(2).
HILO_API result<int> open(const char* path, int flags = O_RDONLY | O_CLOEXEC, mode_t mode = 0666,
                          until = {}) noexcept;
HILO_API result<int> open_at(int directory, const char* path, int flags, mode_t mode = 0666,
                             until = {}) noexcept;
HILO_API result<void> fsync(int fd, until = {}) noexcept;
HILO_API result<void> fdatasync(int fd, until = {}) noexcept;
HILO_API result<struct statx> statx(int directory, const char* path, int flags = 0,
                                    unsigned mask = STATX_BASIC_STATS, until = {}) noexcept;
// Moves up to `size` bytes; one of the descriptors must be a pipe. Offset -1: the file's own
// position.
HILO_API result<std::size_t> splice(int from, std::int64_t from_offset, int into,
                                    std::int64_t into_offset, std::size_t size, unsigned flags = 0,
                                    until = {}) noexcept;

// Ends one direction of a socket, or both (shutdown(2)); calls that wait for it return the end.
// Never parks.
HILO_API result<void> shutdown(int fd, int how) noexcept;

// Closes a descriptor. Calls of fibers that wait for it first end with closed, so no call reaches
// the file that gets the same number next. Parks: until these calls have ended, and while close(2)
// waits (SO_LINGER, a network file system); no limit ends this wait. If other fibers may wait for a
// descriptor, close it with this call. Errors: those of close(2); the descriptor is closed in any
// case.
HILO_API result<void> close(int fd) noexcept;

// The driver of the caller's runtime. If no fiber has done I/O yet, chosen_driver() makes the
// choice.
struct driver_choice {
  io_driver driver;
  std::string why;  // why it is not io_uring, unless epoll was asked for
};
// Callable from: a fiber. Errors: std::system_error if no driver is available.
HILO_API driver_choice chosen_driver();

}  // namespace hilo::io
