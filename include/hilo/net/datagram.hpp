// Datagrams: messages that arrive whole or not at all.
#pragma once

#include <algorithm>
#include <cstddef>

#include "hilo/detail/socket_core.hpp"
#include "hilo/io.hpp"
#include "hilo/net/socket.hpp"
#include "hilo/result.hpp"

namespace hilo::net {

// How much of a datagram was received. Of one that is longer than the buffer the rest is lost.
struct received {
  std::size_t size = 0;    // bytes in the buffer
  std::size_t length = 0;  // bytes that the datagram had; it may have none
  bool truncated() const noexcept { return length > size; }
};

template <class Address>
struct datagram : received {
  Address from;
};

// What udp_socket and unix_datagram have in common. Several fibers may send and receive at once.
template <class Address>
class datagram_socket : public addressed<Address> {
 public:
  using addressed<Address>::addressed;

  // Sends one datagram, whole. Parks: while there is no room for it, which for UDP is in the
  // socket's own send buffer, and for Unix sockets in the receiver's queue as well. Errors: those
  // of sendto(2); EMSGSIZE: it is too long.
  result<void> send_to(const void* data, std::size_t size, const Address& to,
                       io::until when = {}) noexcept {
    return detail::send_datagram(this->fd(), data, size, to.data(), to.size(), when);
  }

  // Receives one datagram, and who sent it. Parks: until there is one. Errors: those of recvmsg(2).
  result<datagram<Address>> receive_from(void* buffer, std::size_t size,
                                         io::until when = {}) noexcept {
    detail::raw_address from;
    const auto length = detail::receive_datagram(this->fd(), buffer, size, from, when);
    if (!length) return {length.status(), length.error().value()};
    return datagram<Address>{{std::min(*length, size), *length}, Address(from.data(), from.size)};
  }

  // From now on sends to and receives from `to` alone; datagrams that came from others before are
  // still received. Never parks. Errors: those of connect(2).
  result<void> set_peer(const Address& to) noexcept {
    return detail::set_peer(this->fd(), to.data(), to.size());
  }

  // The same for a socket with a peer. Errors: those of send(2), recv(2); ECONNREFUSED: an earlier
  // datagram met nobody, which says nothing of this one (UDP), or the peer is gone (Unix).
  result<void> send(const void* data, std::size_t size, io::until when = {}) noexcept {
    return detail::send_datagram(this->fd(), data, size, when);
  }
  result<received> receive(void* buffer, std::size_t size, io::until when = {}) noexcept {
    const auto length = detail::receive_datagram(this->fd(), buffer, size, when);
    if (!length) return {length.status(), length.error().value()};
    return received{std::min(*length, size), *length};
  }
};

}  // namespace hilo::net
