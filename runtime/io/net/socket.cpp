#include "hilo/net/socket.hpp"

#include <array>
#include <cerrno>

#include "runtime/io/gathered.hpp"
#include "runtime/io/in_parts.hpp"
#include "runtime/io/net/option.hpp"

namespace hilo {
namespace {

using name_call = int (*)(int, sockaddr*, socklen_t*);
result<detail::raw_address> name_of(int fd, name_call ask) noexcept {
  detail::raw_address found;
  if (ask(fd, reinterpret_cast<sockaddr*>(&found.bytes), &found.size) != 0) {
    return {status::failed, errno};
  }
  return found;
}

}  // namespace

result<detail::raw_address> detail::local_name(int fd) noexcept {
  return name_of(fd, ::getsockname);
}
result<detail::raw_address> detail::peer_name(int fd) noexcept {
  return name_of(fd, ::getpeername);
}

namespace net {

result<void> socket::set_send_buffer(int bytes) noexcept {
  return set_option(fd(), SOL_SOCKET, SO_SNDBUF, bytes);
}
result<void> socket::set_receive_buffer(int bytes) noexcept {
  return set_option(fd(), SOL_SOCKET, SO_RCVBUF, bytes);
}

result<void> stream::read_exactly(void* buffer, std::size_t size, io::until when,
                                  std::size_t* done) noexcept {
  return io::in_parts(size, done, [&](std::size_t from, std::size_t rest) {
    return io::closed_at_end(read(static_cast<char*>(buffer) + from, rest, when));
  });
}

result<void> stream::write_all(const void* data, std::size_t size, io::until when,
                               std::size_t* done) noexcept {
  return io::in_parts(size, done, [&](std::size_t from, std::size_t rest) {
    return write(static_cast<const char*>(data) + from, rest, when);
  });
}

result<void> stream::write_parts(std::span<const std::string_view> parts, io::until when,
                                 std::size_t* done) noexcept {
  return io::gathered(parts, done, [&](iovec* buffers, std::size_t count) {
    msghdr message{};
    message.msg_iov = buffers;
    message.msg_iovlen = count;
    return io::sendmsg(fd(), &message, 0, when);
  });
}

result<void> stream::end_gracefully(io::until when) noexcept {
  result<void> end = end_writing();
  std::array<char, 512> dropped;
  while (end) {
    const result<std::size_t> got = read(dropped.data(), dropped.size(), when);
    if (!got) end = because<void>(got);
    if (!got || *got == 0) break;
  }
  const result<void> closed = close();
  return end ? closed : end;
}

}  // namespace net
}  // namespace hilo
