#include "hilo/net/address.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>

#include <arpa/inet.h>

namespace hilo::net {

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

namespace {

constexpr socklen_t path_at = offsetof(sockaddr_un, sun_path);

bool printable(char one) noexcept {
  return one >= ' ' && one <= '~' && one != '\\';
}

}  // namespace

unix_address::unix_address(const sockaddr* from, socklen_t size) noexcept : unix_address() {
  if (size <= path_at || from->sa_family != AF_UNIX) return;
  size_ = std::min<socklen_t>(size, sizeof storage_);
  std::memcpy(&storage_, from, size_);
}

std::optional<unix_address> unix_address::path(std::string_view where) noexcept {
  if (where.empty() || where.size() > longest || where.find('\0') != where.npos) return {};
  unix_address result;
  std::copy(where.begin(), where.end(), result.storage_.sun_path);
  result.size_ = static_cast<socklen_t>(path_at + where.size() + 1);
  return result;
}

std::optional<unix_address> unix_address::abstract(std::string_view name) noexcept {
  if (name.empty() || name.size() > longest) return {};
  unix_address result;
  std::copy(name.begin(), name.end(), result.storage_.sun_path + 1);
  result.size_ = static_cast<socklen_t>(path_at + 1 + name.size());
  return result;
}

bool unix_address::is_path() const noexcept {
  return size_ > path_at && storage_.sun_path[0] != '\0';
}
bool unix_address::is_abstract() const noexcept {
  return size_ > path_at && storage_.sun_path[0] == '\0';
}

std::string_view unix_address::name() const noexcept {
  if (size_ <= path_at) return {};
  const std::string_view all(storage_.sun_path, size_ - path_at);
  // The kernel counts the zero byte after a path, but there may be no room for it.
  return is_abstract() ? all.substr(1) : all.substr(0, all.find('\0'));
}

std::string unix_address::to_string() const {
  if (is_path()) return std::string(name());
  if (!is_abstract()) return "no name";
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text = "@";
  for (const char one : name()) {
    if (printable(one)) {
      text += one;
    } else {
      const auto byte = static_cast<unsigned char>(one);
      text += {'\\', 'x', digits[byte / 16], digits[byte % 16]};
    }
  }
  return text;
}

bool unix_address::operator==(const unix_address& other) const noexcept {
  return is_path() == other.is_path() && name() == other.name();
}

}  // namespace hilo::net
