// The functions under all sockets of hilo/net.hpp, for any type of address.
#pragma once

#include <cstddef>

#include <sys/socket.h>

#include "hilo/detail/api.hpp"
#include "hilo/io.hpp"
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

HILO_API result<void> set_peer(int fd, const sockaddr* to, socklen_t size) noexcept;
HILO_API result<void> send_datagram(int fd, const void* data, std::size_t size, const sockaddr* to,
                                    socklen_t to_size, io::until when) noexcept;
HILO_API result<void> send_datagram(int fd, const void* data, std::size_t size,
                                    io::until when) noexcept;
// Returns the length of the whole datagram, also if only a part of it fitted into the buffer.
HILO_API result<std::size_t> receive_datagram(int fd, void* buffer, std::size_t size,
                                              raw_address& from, io::until when) noexcept;
HILO_API result<std::size_t> receive_datagram(int fd, void* buffer, std::size_t size,
                                              io::until when) noexcept;

}  // namespace hilo::detail
