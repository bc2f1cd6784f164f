// System calls that wait for a descriptor, for fibers: they read like the blocking ones and park
// the fiber, while its carrier runs others. Under them is io_uring, or epoll where that is refused.
//
//   char line[512];
//   const auto got = hilo::io::read(STDIN_FILENO, line, sizeof line, 5s);
//   if (!got) std::printf("%s\n", hilo::to_string(got.status()));
//
// Each call is the one of the same name in section 2 of the manual, and waits whether or not the
// descriptor is in non-blocking mode. Each returns a value or the reason why there is none
// (hilo/result.hpp), never errno. A limit ends it as it ends every wait (hilo/limit.hpp): the
// optional last argument, with_deadline and with_stop around it, and the fiber's own stop request.
// A call that was ended returns only once the kernel no longer touches its buffer; what it had done
// by then is its result, so no byte is lost. Sockets, and what a protocol over them needs, are in
// hilo/net.hpp.
//
// Parks: all of them, but shutdown. Callable from: any fiber, and any kernel thread, which then
// blocks in the system call itself, or in ppoll while it is limited.
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

// Until when a call waits at most: a duration from now, a time, or nothing, which is without end.
// From then on it ends with timed_out.
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

// Bytes that were transferred: as many as there were or was room for, at least 1; 0 is the end.
// Errors: those of read(2), write(2). Writing to a pipe or socket that nobody reads raises SIGPIPE
// unless the program ignores it; send and sendmsg never do.
HILO_API result<std::size_t> read(int fd, void* buffer, std::size_t size, until = {}) noexcept;
HILO_API result<std::size_t> write(int fd, const void* data, std::size_t size, until = {}) noexcept;
HILO_API result<std::size_t> readv(int fd, const iovec* buffers, int count, until = {}) noexcept;
HILO_API result<std::size_t> writev(int fd, const iovec* data, int count, until = {}) noexcept;
HILO_API result<std::size_t> pread(int fd, void* buffer, std::size_t size, std::int64_t offset,
                                   until = {}) noexcept;
HILO_API result<std::size_t> pwrite(int fd, const void* data, std::size_t size, std::int64_t offset,
                                    until = {}) noexcept;

// Errors: those of recv(2), send(2). send and sendmsg add MSG_NOSIGNAL.
HILO_API result<std::size_t> recv(int fd, void* buffer, std::size_t size, int flags = 0,
                                  until = {}) noexcept;
HILO_API result<std::size_t> send(int fd, const void* data, std::size_t size, int flags = 0,
                                  until = {}) noexcept;
HILO_API result<std::size_t> recvmsg(int fd, msghdr* message, int flags = 0, until = {}) noexcept;
HILO_API result<std::size_t> sendmsg(int fd, const msghdr* message, int flags = 0,
                                     until = {}) noexcept;

// Returns the new descriptor, which is closed in programs that are executed. The epoll driver sets
// the listening socket's non-blocking mode. Errors: those of accept4(2).
HILO_API result<int> accept(int fd, sockaddr* peer = nullptr, socklen_t* size = nullptr,
                            int flags = SOCK_CLOEXEC, until = {}) noexcept;
// The epoll driver sets the socket's non-blocking mode. Ended by a limit, it leaves the socket fit
// for close only. A connection that this socket has begun before is waited for. If the queue of a
// listener for Unix sockets is full, the call tries again every few milliseconds. Errors: those of
// connect(2).
HILO_API result<void> connect(int fd, const sockaddr* peer, socklen_t size, until = {}) noexcept;

// Waits until one of `events` holds (POLLIN, POLLOUT, POLLPRI, POLLRDHUP) or the descriptor has
// failed or hung up, and returns what holds. For foreign libraries that tell which descriptor they
// wait for. Files are always ready. Errors: EBADF.
HILO_API result<short> poll(int fd, short events, until = {}) noexcept;

// A case of a select (hilo/select.hpp): ready once poll() with these events would return, which is
// then in `ready`.
//
//   hilo::result<short> ready = 0;
//   switch (hilo::select{hilo::io::ready_of(fd, POLLIN, ready), hilo::stop_of(token)}) {
//     case 0: if (ready) take_what_is_there(fd); break;  // else ready.error() says why
//     case 1: return;
//   }
//
// `ready` is written only when the case is taken. The select's `end` is then ready.status(). A
// descriptor that others use as well may have been taken from before the caller comes to it, so it
// is best in non-blocking mode. With `enabled` false the case is left out, and keeps its number.
// Parks: as the select does, and then until the kernel has let go of the descriptor, which may then
// be closed in any way; one that is ready is found by poll(2), without that. Callable from: any
// fiber or thread; without a fiber it starts a kernel thread while it waits. Errors: EBADF; closed
// when close() is called meanwhile; the kernel's, if it cannot be waited for. Ordering: none but
// what the kernel gives.
inline detail::ready_case ready_of(int fd, short events, result<short>& ready,
                                   bool enabled = true) noexcept {
  return {fd, events, ready, enabled};
}

// Files. On the epoll driver these calls, and those above for a file, are made as by
// hilo::blocking; then a limit ends none that has begun. It does end the wait for a spare carrier
// before that, and the wait of open for the other end of a FIFO. The epoll driver sets the
// non-blocking mode of a socket that splice is for. Errors: those of openat(2), fsync(2), statx(2),
// splice(2).
HILO_API result<int> open(const char* path, int flags = O_RDONLY | O_CLOEXEC, mode_t mode = 0666,
                          until = {}) noexcept;
HILO_API result<int> open_at(int directory, const char* path, int flags, mode_t mode = 0666,
                             until = {}) noexcept;
HILO_API result<void> fsync(int fd, until = {}) noexcept;
HILO_API result<void> fdatasync(int fd, until = {}) noexcept;
HILO_API result<struct statx> statx(int directory, const char* path, int flags = 0,
                                    unsigned mask = STATX_BASIC_STATS, until = {}) noexcept;
// Moves up to `size` bytes; one of the descriptors is a pipe. An offset of -1 is the file's own.
HILO_API result<std::size_t> splice(int from, std::int64_t from_offset, int into,
                                    std::int64_t into_offset, std::size_t size, unsigned flags = 0,
                                    until = {}) noexcept;

// Ends one direction of a socket, or both (shutdown(2)); calls that wait for it get the end.
// Never parks.
HILO_API result<void> shutdown(int fd, int how) noexcept;

// Closes a descriptor. Calls of fibers that wait for it end with closed first: no call meets the
// file that gets the number next. Parks: until they have ended, and while close(2) waits
// (SO_LINGER, a network file system); no limit ends this. Close with it the descriptors that other
// fibers may wait for. Errors: those of close(2); the descriptor is gone all the same.
HILO_API result<void> close(int fd) noexcept;

// What drives the I/O of the caller's runtime; choosing it if no fiber did I/O before.
struct driver_choice {
  io_driver driver;
  std::string why;  // why it is not io_uring, if it is not and was not told so
};
// Callable from: a fiber. Errors: std::system_error when none is to be had.
HILO_API driver_choice chosen_driver();

}  // namespace hilo::io
