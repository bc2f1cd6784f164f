// The functions of hilo/c/io.h.
#include "hilo/c/io.h"

#include <cerrno>
#include <climits>
#include <cstring>

#include <netdb.h>
#include <netinet/in.h>

#include "hilo/io.hpp"
#include "hilo/net/tcp.hpp"

#include "runtime/c/result.hpp"
#include "runtime/io/call.hpp"
#include "runtime/io/request.hpp"

namespace {

using namespace hilo::c;
using hilo::io::request;
using call = hilo::io::request::call;

// The number for an errno of hilo::io, or for an error of a look-up, which is negative there.
int number_of_error(const std::error_code& error) noexcept {
  switch (error.value()) {
    case EAI_NONAME:
      return -ENOENT;
    case EAI_AGAIN:
      return -EAGAIN;
    default:
      return error.value() > 0 ? -error.value() : -EIO;
  }
}

// Makes the call, and returns its number.
long make(const request& what, int64_t deadline) noexcept {
  if (deadline == HILO_NO_WAIT) return hilo::io::attempt(what);
  const hilo::result<long> done =
      hilo::io::value_of<long>(hilo::io::make(what, inner_deadline(deadline)));
  return done ? *done : number_of_error(done.error());
}

bool wrong(const void* buffer, size_t size) noexcept {
  return buffer == nullptr && size != 0;
}
bool wrong_list(const iovec* buffers, int count) noexcept {
  return count < 0 || count > IOV_MAX || (buffers == nullptr && count != 0);
}

// Repeats transfer(bytes done) until all bytes are through.
template <class F>
int transfer_all(size_t size, size_t* done, int at_end, F transfer) noexcept {
  size_t sum = 0;
  int error = 0;
  while (sum < size && error == 0) {
    const ssize_t more = transfer(sum);
    if (more > 0) {
      sum += static_cast<size_t>(more);
    } else {
      error = more == 0 ? at_end : static_cast<int>(more);
    }
  }
  if (done != nullptr) *done = sum;
  return error;
}

}  // namespace

ssize_t hilo_read(int fd, void* buffer, size_t size, int64_t deadline) noexcept {
  if (wrong(buffer, size)) return -EINVAL;
  return make({.what = call::read, .fd = fd, .address = buffer, .length = size}, deadline);
}
ssize_t hilo_write(int fd, const void* data, size_t size, int64_t deadline) noexcept {
  if (wrong(data, size)) return -EINVAL;
  return make({.what = call::write, .fd = fd, .address = data, .length = size}, deadline);
}
ssize_t hilo_readv(int fd, const iovec* buffers, int count, int64_t deadline) noexcept {
  if (wrong_list(buffers, count)) return -EINVAL;
  const auto length = static_cast<size_t>(count);
  return make({.what = call::readv, .fd = fd, .address = buffers, .length = length}, deadline);
}
ssize_t hilo_writev(int fd, const iovec* data, int count, int64_t deadline) noexcept {
  if (wrong_list(data, count)) return -EINVAL;
  const auto length = static_cast<size_t>(count);
  return make({.what = call::writev, .fd = fd, .address = data, .length = length}, deadline);
}
ssize_t hilo_pread(int fd, void* buffer, size_t size, int64_t offset, int64_t deadline) noexcept {
  if (wrong(buffer, size) || offset < 0) return -EINVAL;
  return make({.what = call::pread, .fd = fd, .address = buffer, .length = size, .offset = offset},
              deadline);
}
ssize_t hilo_pwrite(int fd, const void* data, size_t size, int64_t offset,
                    int64_t deadline) noexcept {
  if (wrong(data, size) || offset < 0) return -EINVAL;
  return make({.what = call::pwrite, .fd = fd, .address = data, .length = size, .offset = offset},
              deadline);
}

int hilo_read_all(int fd, void* buffer, size_t size, int64_t deadline, size_t* done) noexcept {
  if (wrong(buffer, size)) return -EINVAL;
  return transfer_all(size, done, -EPIPE, [&](size_t from) {
    return hilo_read(fd, static_cast<char*>(buffer) + from, size - from, deadline);
  });
}
int hilo_write_all(int fd, const void* data, size_t size, int64_t deadline, size_t* done) noexcept {
  if (wrong(data, size)) return -EINVAL;
  return transfer_all(size, done, -EIO, [&](size_t from) {
    return hilo_write(fd, static_cast<const char*>(data) + from, size - from, deadline);
  });
}

ssize_t hilo_recv(int fd, void* buffer, size_t size, int flags, int64_t deadline) noexcept {
  if (wrong(buffer, size)) return -EINVAL;
  return make({.what = call::recv, .fd = fd, .address = buffer, .length = size, .flags = flags},
              deadline);
}
ssize_t hilo_send(int fd, const void* data, size_t size, int flags, int64_t deadline) noexcept {
  if (wrong(data, size)) return -EINVAL;
  return make({.what = call::send,
               .fd = fd,
               .address = data,
               .length = size,
               .flags = flags | MSG_NOSIGNAL},
              deadline);
}
ssize_t hilo_recvmsg(int fd, msghdr* message, int flags, int64_t deadline) noexcept {
  if (message == nullptr) return -EINVAL;
  return make({.what = call::recvmsg, .fd = fd, .address = message, .flags = flags}, deadline);
}
ssize_t hilo_sendmsg(int fd, const msghdr* message, int flags, int64_t deadline) noexcept {
  if (message == nullptr) return -EINVAL;
  return make({.what = call::sendmsg, .fd = fd, .address = message, .flags = flags | MSG_NOSIGNAL},
              deadline);
}

int hilo_accept(int fd, sockaddr* peer, socklen_t* size, int flags, int64_t deadline) noexcept {
  if ((peer == nullptr) != (size == nullptr)) return -EINVAL;
  return static_cast<int>(make(
      {.what = call::accept, .fd = fd, .address = peer, .flags = flags, .other = size}, deadline));
}
int hilo_connect(int fd, const sockaddr* peer, socklen_t size, int64_t deadline) noexcept {
  if (peer == nullptr || size == 0) return -EINVAL;
  return static_cast<int>(
      make({.what = call::connect, .fd = fd, .address = peer, .length = size}, deadline));
}
int hilo_shutdown(int fd, int how) noexcept {
  const hilo::result<void> done = hilo::io::shutdown(fd, how);
  return done ? 0 : number_of_error(done.error());
}

int hilo_tcp_listen(const char* ip, uint16_t port) noexcept {
  if (ip == nullptr) return -EINVAL;
  const auto at = hilo::net::address::parse(ip, port);
  if (!at) return -EINVAL;
  return guarded([&] { return hilo::net::tcp_listener(*at).release(); });
}
int hilo_tcp_connect(const char* name, uint16_t port, int64_t deadline) noexcept {
  if (name == nullptr) return -EINVAL;
  auto made = hilo::net::tcp_stream::connect(name, port, time_of(deadline));
  if (made) return made->release();
  return made.status() == hilo::status::timed_out ? number_of(made.status(), deadline)
                                                  : number_of_error(made.error());
}
int hilo_port(int fd) noexcept {
  const hilo::result<hilo::detail::raw_address> its = hilo::detail::local_name(fd);
  if (!its) return number_of_error(its.error());
  const int family = its->data()->sa_family;
  if (family != AF_INET && family != AF_INET6) return -EINVAL;
  return hilo::net::address(its->data(), its->size).port();
}

int hilo_poll(int fd, short events, int64_t deadline) noexcept {
  return static_cast<int>(make({.what = call::poll, .fd = fd, .flags = events}, deadline));
}

int hilo_open(const char* path, int flags, mode_t mode, int64_t deadline) noexcept {
  return hilo_open_at(AT_FDCWD, path, flags, mode, deadline);
}
int hilo_open_at(int directory, const char* path, int flags, mode_t mode,
                 int64_t deadline) noexcept {
  if (path == nullptr) return -EINVAL;
  const auto opened = hilo::io::open_at(directory, path, flags, mode, time_of(deadline));
  return opened ? *opened : number_of_error(opened.error());
}
int hilo_fsync(int fd, int64_t deadline) noexcept {
  const auto done = hilo::io::fsync(fd, time_of(deadline));
  return done ? 0 : number_of_error(done.error());
}
int hilo_fdatasync(int fd, int64_t deadline) noexcept {
  const auto done = hilo::io::fdatasync(fd, time_of(deadline));
  return done ? 0 : number_of_error(done.error());
}

int hilo_close(int fd) noexcept {
  const auto done = hilo::io::close(fd);
  return done ? 0 : number_of_error(done.error());
}
