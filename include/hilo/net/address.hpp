// Where a socket is: an IP address with a port.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <netinet/in.h>
#include <sys/socket.h>

#include "hilo/detail/api.hpp"

namespace hilo::net {

// An IPv4 or IPv6 address with a port.
class address {
 public:
  // Of no family, as is what result<address> holds without a value.
  address() noexcept = default;
  HILO_API address(const sockaddr* from, socklen_t size) noexcept;

  // "192.0.2.1" or "2001:db8::1", and a port; empty when it is neither.
  HILO_API static std::optional<address> parse(std::string_view ip, std::uint16_t port) noexcept;
  // 127.0.0.1, and 0.0.0.0, which listens on all interfaces. Port 0: the kernel chooses one.
  HILO_API static address loopback(std::uint16_t port) noexcept;
  HILO_API static address any(std::uint16_t port) noexcept;

  int family() const noexcept { return storage_.plain.sa_family; }
  HILO_API std::uint16_t port() const noexcept;
  const sockaddr* data() const noexcept { return &storage_.plain; }
  HILO_API socklen_t size() const noexcept;

  // "192.0.2.1:80", "[2001:db8::1]:80".
  HILO_API std::string to_string() const;
  HILO_API bool operator==(const address& other) const noexcept;

 private:
  union {
    sockaddr plain;
    sockaddr_in four;
    sockaddr_in6 six;
  } storage_{.six = {}};
};

}  // namespace hilo::net
