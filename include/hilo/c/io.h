// Calls that wait for a descriptor, in C. They look like the calls of the same name in section 2 of
// the manual, but park only the fiber. hilo/io.hpp says more of each.
//
//   char line[512];
//   ssize_t got = hilo_read(0, line, sizeof line, hilo_after(5 * HILO_SECOND));
//   if (got < 0) fprintf(stderr, "read: %s\n", strerror((int)-got));
//
// Results: what the call of that name returns, or a negative errno. -EBADF: also, hilo_close closed
// the descriptor meanwhile. -EINVAL: also, a null pointer with a size that is not 0. With
// HILO_NO_WAIT a call is made if it need not wait; else it returns -EAGAIN. A call for a file
// blocks nevertheless.
//
// Parks: all calls with a deadline. Callable from: any fiber or thread. A call that a deadline or a
// stop request ends returns only when the kernel no longer touches its buffer.
#pragma once

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "hilo/c/base.h"

HILO_C_BEGIN

HILO_API ssize_t hilo_read(int fd, void* buffer, size_t size, int64_t deadline) HILO_C_NOEXCEPT;
HILO_API ssize_t hilo_write(int fd, const void* data, size_t size,
                            int64_t deadline) HILO_C_NOEXCEPT;
HILO_API ssize_t hilo_readv(int fd, const struct iovec* buffers, int count,
                            int64_t deadline) HILO_C_NOEXCEPT;
HILO_API ssize_t hilo_writev(int fd, const struct iovec* data, int count,
                             int64_t deadline) HILO_C_NOEXCEPT;
HILO_API ssize_t hilo_pread(int fd, void* buffer, size_t size, int64_t offset,
                            int64_t deadline) HILO_C_NOEXCEPT;
HILO_API ssize_t hilo_pwrite(int fd, const void* data, size_t size, int64_t offset,
                             int64_t deadline) HILO_C_NOEXCEPT;

// Read or write all bytes. Return 0. Errors: as the calls they make; -EPIPE of hilo_read_all: the
// end came before. `done`, if not null, gets the number of bytes in any case.
HILO_C_NODISCARD HILO_API int hilo_read_all(int fd, void* buffer, size_t size, int64_t deadline,
                                            size_t* done) HILO_C_NOEXCEPT;
HILO_C_NODISCARD HILO_API int hilo_write_all(int fd, const void* data, size_t size,
                                             int64_t deadline, size_t* done) HILO_C_NOEXCEPT;

// Sockets. hilo_send and hilo_sendmsg add MSG_NOSIGNAL. The descriptor of hilo_accept is
// close-on-exec if `flags` has SOCK_CLOEXEC; `peer` and `size` may both be null.
HILO_API ssize_t hilo_recv(int fd, void* buffer, size_t size, int flags,
                           int64_t deadline) HILO_C_NOEXCEPT;
HILO_API ssize_t hilo_send(int fd, const void* data, size_t size, int flags,
                           int64_t deadline) HILO_C_NOEXCEPT;
HILO_API ssize_t hilo_recvmsg(int fd, struct msghdr* message, int flags,
                              int64_t deadline) HILO_C_NOEXCEPT;
HILO_API ssize_t hilo_sendmsg(int fd, const struct msghdr* message, int flags,
                              int64_t deadline) HILO_C_NOEXCEPT;
HILO_API int hilo_accept(int fd, struct sockaddr* peer, socklen_t* size, int flags,
                         int64_t deadline) HILO_C_NOEXCEPT;
HILO_API int hilo_connect(int fd, const struct sockaddr* peer, socklen_t size,
                          int64_t deadline) HILO_C_NOEXCEPT;
// Ends one direction of a socket, or both (shutdown(2)). Never parks.
HILO_API int hilo_shutdown(int fd, int how) HILO_C_NOEXCEPT;

// Makes a TCP socket that listens at an IPv4 or IPv6 address, such as "127.0.0.1", "0.0.0.0" or
// "::1", and returns its descriptor. Port 0: the kernel chooses one; hilo_port tells it. Errors:
// -EINVAL: the text is no address; those of socket(2), bind(2), listen(2).
HILO_API int hilo_tcp_listen(const char* ip, uint16_t port) HILO_C_NOEXCEPT;
// Looks the name up, connects to its first address that answers (hilo::net::tcp_stream::connect),
// and returns the descriptor. Errors: -ENOENT: there is no such name; -EAGAIN: no name server
// answered; -EIO: a name server refused; those of connect(2).
HILO_API int hilo_tcp_connect(const char* name, uint16_t port, int64_t deadline) HILO_C_NOEXCEPT;
// The port of the socket's own address. Errors: those of getsockname(2); -EINVAL: it has none.
HILO_API int hilo_port(int fd) HILO_C_NOEXCEPT;

// Waits until one of `events` holds (POLLIN, POLLOUT, …) or the descriptor has failed, and returns
// the events that hold.
HILO_API int hilo_poll(int fd, short events, int64_t deadline) HILO_C_NOEXCEPT;

// Files.
HILO_API int hilo_open(const char* path, int flags, mode_t mode, int64_t deadline) HILO_C_NOEXCEPT;
HILO_API int hilo_open_at(int directory, const char* path, int flags, mode_t mode,
                          int64_t deadline) HILO_C_NOEXCEPT;
HILO_API int hilo_fsync(int fd, int64_t deadline) HILO_C_NOEXCEPT;
HILO_API int hilo_fdatasync(int fd, int64_t deadline) HILO_C_NOEXCEPT;

// Closes a descriptor. Calls of fibers that wait for it first end with -EBADF. Parks: until they
// have ended. Errors: those of close(2); the descriptor is closed in any case.
HILO_API int hilo_close(int fd) HILO_C_NOEXCEPT;

HILO_C_END
