#include "hilo/net.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>

#include <arpa/inet.h>
#include <netinet/tcp.h>

#include "hilo/fiber.hpp"
#include "hilo/limit.hpp"

#include "runtime/base/error.hpp"

namespace hilo::net {
namespace {

// How long accept waits for a descriptor to become free. As Go's net/http, at its longest.
constexpr std::chrono::milliseconds pause_when_full(5);

template <class T>
result<T> failed(int error) noexcept {
  return {status::failed, error};
}

template <class T, class U>
result<T> because(const result<U>& other) noexcept {
  return {other.status(), other.error().value()};
}

result<void> set_option(int fd, int level, int name, int value) noexcept {
  if (::setsockopt(fd, level, name, &value, sizeof value) != 0) return failed<void>(errno);
  return {};
}

using name_call = int (*)(int, sockaddr*, socklen_t*);
result<address> name_of(int fd, name_call ask) noexcept {
  sockaddr_storage found{};
  socklen_t size = sizeof found;
  if (ask(fd, reinterpret_cast<sockaddr*>(&found), &size) != 0) return failed<address>(errno);
  return address(reinterpret_cast<sockaddr*>(&found), size);
}

bool out_of_room(int error) noexcept {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

// What accept(2) passes on of the connection it would have returned.
bool of_the_connection(int error) noexcept {
  constexpr std::array passed = {ECONNABORTED, EPROTO,       ENETDOWN,    ENOPROTOOPT, EHOSTDOWN,
                                 ENONET,       EHOSTUNREACH, ENETUNREACH, EPERM,       ECONNRESET};
  return std::find(passed.begin(), passed.end(), error) != passed.end();
}

}  // namespace

address::address(const sockaddr* from, socklen_t size) noexcept {
  std::memcpy(&storage_, from, std::min<std::size_t>(size, sizeof storage_));
}

std::optional<address> address::parse(std::string_view ip, std::uint16_t port) noexcept {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (ip.size() >= text.size()) return {};
  std::copy(ip.begin(), ip.end(), text.begin());
  address result;
  if (::inet_pton(AF_INET, text.data(), &result.storage_.four.sin_addr) == 1) {
    result.storage_.four.sin_family = AF_INET;
    result.storage_.four.sin_port = htons(port);
    return result;
  }
  if (::inet_pton(AF_INET6, text.data(), &result.storage_.six.sin6_addr) == 1) {
    result.storage_.six.sin6_family = AF_INET6;
    result.storage_.six.sin6_port = htons(port);
    return result;
  }
  return {};
}

address address::loopback(std::uint16_t port) noexcept {
  return *parse("127.0.0.1", port);
}
address address::any(std::uint16_t port) noexcept {
  return *parse("0.0.0.0", port);
}

std::uint16_t address::port() const noexcept {
  return ntohs(family() == AF_INET6 ? storage_.six.sin6_port : storage_.four.sin_port);
}
socklen_t address::size() const noexcept {
  return family() == AF_INET6 ? sizeof storage_.six : sizeof storage_.four;
}

std::string address::to_string() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const bool six = family() == AF_INET6;
  const void* const its = six ? static_cast<const void*>(&storage_.six.sin6_addr)
                              : static_cast<const void*>(&storage_.four.sin_addr);
  if ((!six && family() != AF_INET) ||
      ::inet_ntop(family(), its, text.data(), text.size()) == nullptr) {
    return "no address";
  }
  const std::string ip = text.data();
  return (six ? "[" + ip + "]" : ip) + ":" + std::to_string(port());
}

bool address::operator==(const address& other) const noexcept {
  if (family() != other.family()) return false;
  if (family() != AF_INET6) {
    return port() == other.port() &&
           storage_.four.sin_addr.s_addr == other.storage_.four.sin_addr.s_addr;
  }
  return port() == other.port() && storage_.six.sin6_scope_id == other.storage_.six.sin6_scope_id &&
         std::memcmp(&storage_.six.sin6_addr, &other.storage_.six.sin6_addr, sizeof(in6_addr)) == 0;
}

result<address> socket::local() const noexcept {
  return name_of(fd(), ::getsockname);
}
result<address> socket::peer() const noexcept {
  return name_of(fd(), ::getpeername);
}

result<tcp_stream> tcp_stream::connect(const address& to, io::until when) noexcept {
  tcp_stream made(::socket(to.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!made) return failed<tcp_stream>(errno);
  const result<void> done = io::connect(made.fd(), to.data(), to.size(), when);
  if (!done) return because<tcp_stream>(done);
  (void)made.set_nodelay(true);
  return made;
}

result<void> tcp_stream::read_exactly(void* buffer, std::size_t size, io::until when,
                                      std::size_t* done) noexcept {
  std::size_t count = 0;
  result<void> end;
  while (count < size && end) {
    const result<std::size_t> got = read(static_cast<char*>(buffer) + count, size - count, when);
    if (!got) {
      end = because<void>(got);
    } else if (*got == 0) {
      end = {status::closed, 0};
    } else {
      count += *got;
    }
  }
  if (done != nullptr) *done = count;
  return end;
}

result<void> tcp_stream::write_all(const void* data, std::size_t size, io::until when,
                                   std::size_t* done) noexcept {
  std::size_t count = 0;
  result<void> end;
  while (count < size && end) {
    const result<std::size_t> sent =
        write(static_cast<const char*>(data) + count, size - count, when);
    if (sent) {
      count += *sent;
    } else {
      end = because<void>(sent);
    }
  }
  if (done != nullptr) *done = count;
  return end;
}

result<void> tcp_stream::end_gracefully(io::until when) noexcept {
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

result<void> tcp_stream::set_nodelay(bool on) noexcept {
  return set_option(fd(), IPPROTO_TCP, TCP_NODELAY, on ? 1 : 0);
}
result<void> tcp_stream::set_keepalive(int idle_seconds) noexcept {
  const result<void> done = set_option(fd(), SOL_SOCKET, SO_KEEPALIVE, idle_seconds > 0 ? 1 : 0);
  if (!done || idle_seconds <= 0) return done;
  return set_option(fd(), IPPROTO_TCP, TCP_KEEPIDLE, idle_seconds);
}

tcp_listener::tcp_listener(const address& at, const listen_options& options)
    : socket(::socket(at.family(), SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const auto check = [&](bool done) {
    if (done) return;
    const int error = errno;
    base::fail(error, "listen on " + at.to_string(),
               error == EADDRINUSE ? "somebody else does; see ss -ltnp"
               : error == EACCES
                   ? "ports below net.ipv4.ip_unprivileged_port_start need CAP_NET_BIND_SERVICE"
                   : std::strerror(error));
  };
  check(fd() >= 0);
  // A restarted server need not wait for connections of the last one to be forgotten.
  check(set_option(fd(), SOL_SOCKET, SO_REUSEADDR, 1).status() == status::ok);
  if (options.reuse_port) {
    check(set_option(fd(), SOL_SOCKET, SO_REUSEPORT, 1).status() == status::ok);
  }
  check(::bind(fd(), at.data(), at.size()) == 0);
  check(::listen(fd(), options.backlog) == 0);
}

result<tcp_stream> tcp_listener::accept(io::until when) noexcept {
  while (true) {
    const result<int> peer = io::accept(fd(), nullptr, nullptr, SOCK_CLOEXEC, when);
    if (peer) {
      tcp_stream made(*peer);
      (void)made.set_nodelay(true);
      return made;
    }
    if (peer.status() != status::failed) return because<tcp_stream>(peer);
    const int error = peer.error().value();
    if (of_the_connection(error)) continue;
    if (!out_of_room(error)) return because<tcp_stream>(peer);
    if (when.ns() <= detail::monotonic_now()) return {status::timed_out, ETIMEDOUT};
    const status end = sleep_for(pause_when_full);
    if (end != status::ok) return {end, end == status::timed_out ? ETIMEDOUT : ECANCELED};
  }
}

line_reader::line_reader(tcp_stream& from, std::size_t longest)
    : from_(from), buffer_(longest, '\0') {}

result<std::string_view> line_reader::next(io::until when) noexcept {
  std::size_t looked = begin_;
  while (true) {
    const char* const found =
        static_cast<const char*>(std::memchr(buffer_.data() + looked, '\n', end_ - looked));
    if (found != nullptr) {
      const char* const first = buffer_.data() + begin_;
      std::string_view line(first, static_cast<std::size_t>(found - first));
      begin_ += line.size() + 1;
      if (line.ends_with('\r')) line.remove_suffix(1);
      return line;
    }
    if (end_ - begin_ == buffer_.size()) return failed<std::string_view>(EMSGSIZE);
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
    looked = end_;
    const result<std::size_t> got = from_.read(buffer_.data() + end_, buffer_.size() - end_, when);
    if (!got) return because<std::string_view>(got);
    if (*got == 0) return {status::closed, 0};
    end_ += *got;
  }
}

}  // namespace hilo::net
