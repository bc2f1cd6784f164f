// The address of a socket: an IP address with a port, or the name of a Unix socket.
//
// They are two types, so that mistakes do not compile, such as a TCP connection to a path.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "hilo/detail/api.hpp"

namespace hilo::net {

// An IPv4 or IPv6 address with a port.
class address {
 public:
  // Without a family; result<address> holds such an address if it has no value.
  address() noexcept = default;
  HILO_API address(const sockaddr* from, socklen_t size) noexcept;

  // From "192.0.2.1" or "2001:db8::1", and a port; empty if `ip` has neither form.
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

// The name of a Unix socket (unix(7)): a path in the file system, a name in the abstract namespace,
// or no name. An abstract name is in no directory, and ends with its last socket.
class unix_address {
 public:
  // Without a name. If a socket is made with it, the kernel chooses an abstract name.
  unix_address() noexcept { storage_.sun_family = AF_UNIX; }
  HILO_API unix_address(const sockaddr* from, socklen_t size) noexcept;

  // The longest path or abstract name, in bytes.
  static constexpr std::size_t longest = sizeof(sockaddr_un::sun_path) - 1;

  // Each returns empty if the name is empty or too long, or if a path has a zero byte in it. An
  // abstract name may have any bytes.
  HILO_API static std::optional<unix_address> path(std::string_view where) noexcept;
  HILO_API static std::optional<unix_address> abstract(std::string_view name) noexcept;

  int family() const noexcept { return AF_UNIX; }
  const sockaddr* data() const noexcept { return reinterpret_cast<const sockaddr*>(&storage_); }
  socklen_t size() const noexcept { return size_; }

  HILO_API bool is_path() const noexcept;
  HILO_API bool is_abstract() const noexcept;
  // The path, or the abstract name; empty if it has no name.
  HILO_API std::string_view name() const noexcept;

  // "/run/server", "@server", "no name". In an abstract name, bytes that are not printable ASCII
  // are written like "\x1b".
  HILO_API std::string to_string() const;
  HILO_API bool operator==(const unix_address& other) const noexcept;

 private:
  sockaddr_un storage_{};
  socklen_t size_ = sizeof(sa_family_t);
};

}  // namespace hilo::net
