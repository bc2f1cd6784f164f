#include "hilo/net/address.hpp"

#include <algorithm>
#include <array>
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

}  // namespace hilo::net
