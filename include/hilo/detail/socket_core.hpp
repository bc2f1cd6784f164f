// What the sockets of hilo/net.hpp stand on, whatever their addresses are.
#pragma once

#include <sys/socket.h>

#include "hilo/detail/api.hpp"
#include "hilo/result.hpp"

namespace hilo::detail {

// An address as the kernel writes it.
struct raw_address {
  const sockaddr* data() const noexcept { return reinterpret_cast<const sockaddr*>(&bytes); }
  sockaddr_storage bytes{};
  socklen_t size = sizeof(sockaddr_storage);
};

// getsockname(2), getpeername(2).
HILO_API result<raw_address> local_name(int fd) noexcept;
HILO_API result<raw_address> peer_name(int fd) noexcept;

}  // namespace hilo::detail
