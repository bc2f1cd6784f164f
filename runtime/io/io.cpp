// The functions of hilo/io.hpp. Each describes its call, and says what the outcome means.
#include "hilo/io.hpp"

#include <cerrno>

#include "runtime/io/call.hpp"
#include "runtime/sys/syscall.hpp"

namespace hilo::io {
namespace {

using call = request::call;

template <class T = std::size_t>
result<T> make_call(const request& what, until when) noexcept {
  return value_of<T>(make(what, when.ns()));
}

}  // namespace

result<std::size_t> read(int fd, void* buffer, std::size_t size, until when) noexcept {
  return make_call({.what = call::read, .fd = fd, .address = buffer, .length = size}, when);
}
result<std::size_t> try_read(int fd, void* buffer, std::size_t size) noexcept {
  return try_call<std::size_t>({.what = call::read, .fd = fd, .address = buffer, .length = size});
}
result<std::size_t> write(int fd, const void* data, std::size_t size, until when) noexcept {
  return make_call({.what = call::write, .fd = fd, .address = data, .length = size}, when);
}
result<std::size_t> readv(int fd, const iovec* buffers, int count, until when) noexcept {
  return make_call({.what = call::readv,
                    .fd = fd,
                    .address = buffers,
                    .length = static_cast<std::size_t>(count)},
                   when);
}
result<std::size_t> writev(int fd, const iovec* data, int count, until when) noexcept {
  return make_call(
      {.what = call::writev, .fd = fd, .address = data, .length = static_cast<std::size_t>(count)},
      when);
}
result<std::size_t> pread(int fd, void* buffer, std::size_t size, std::int64_t offset,
                          until when) noexcept {
  if (offset < 0) return {status::failed, EINVAL};
  return make_call(
      {.what = call::pread, .fd = fd, .address = buffer, .length = size, .offset = offset}, when);
}
result<std::size_t> pwrite(int fd, const void* data, std::size_t size, std::int64_t offset,
                           until when) noexcept {
  if (offset < 0) return {status::failed, EINVAL};
  return make_call(
      {.what = call::pwrite, .fd = fd, .address = data, .length = size, .offset = offset}, when);
}

result<std::size_t> recv(int fd, void* buffer, std::size_t size, int flags, until when) noexcept {
  return make_call(
      {.what = call::recv, .fd = fd, .address = buffer, .length = size, .flags = flags}, when);
}
result<std::size_t> send(int fd, const void* data, std::size_t size, int flags,
                         until when) noexcept {
  return make_call({.what = call::send,
                    .fd = fd,
                    .address = data,
                    .length = size,
                    .flags = flags | MSG_NOSIGNAL},
                   when);
}
result<std::size_t> recvmsg(int fd, msghdr* message, int flags, until when) noexcept {
  return make_call({.what = call::recvmsg, .fd = fd, .address = message, .flags = flags}, when);
}
result<std::size_t> sendmsg(int fd, const msghdr* message, int flags, until when) noexcept {
  return make_call(
      {.what = call::sendmsg, .fd = fd, .address = message, .flags = flags | MSG_NOSIGNAL}, when);
}

result<int> accept(int fd, sockaddr* peer, socklen_t* size, int flags, until when) noexcept {
  return make_call<int>(
      {.what = call::accept, .fd = fd, .address = peer, .flags = flags, .other = size}, when);
}
result<void> connect(int fd, const sockaddr* peer, socklen_t size, until when) noexcept {
  return make_call<void>({.what = call::connect, .fd = fd, .address = peer, .length = size}, when);
}

result<short> poll(int fd, short events, until when) noexcept {
  return make_call<short>({.what = call::poll, .fd = fd, .flags = events}, when);
}

result<int> open(const char* path, int flags, mode_t mode, until when) noexcept {
  return open_at(AT_FDCWD, path, flags, mode, when);
}
result<int> open_at(int directory, const char* path, int flags, mode_t mode, until when) noexcept {
  return make_call<int>(
      {.what = call::openat, .fd = directory, .address = path, .length = mode, .flags = flags},
      when);
}
result<void> fsync(int fd, until when) noexcept {
  return make_call<void>({.what = call::fsync, .fd = fd}, when);
}
result<void> fdatasync(int fd, until when) noexcept {
  return make_call<void>({.what = call::fsync, .fd = fd, .flags = 1}, when);
}
result<struct statx> statx(int directory, const char* path, int flags, unsigned mask,
                           until when) noexcept {
  struct statx about {};
  const outcome done = make({.what = call::statx,
                             .fd = directory,
                             .address = path,
                             .length = mask,
                             .flags = flags,
                             .other = &about},
                            when.ns());
  if (done.why != status::ok || done.value < 0) return refused<struct statx>(done);
  return about;
}
result<std::size_t> splice(int from, std::int64_t from_offset, int into, std::int64_t into_offset,
                           std::size_t size, unsigned flags, until when) noexcept {
  return make_call({.what = call::splice,
                    .fd = into,
                    .length = size,
                    .flags = static_cast<int>(flags),
                    .offset = from_offset,
                    .from = from,
                    .other_offset = into_offset},
                   when);
}

result<void> shutdown(int fd, int how) noexcept {
  return value_of<void>({sys::call(SYS_shutdown, fd, how)});
}

}  // namespace hilo::io
