// Datagrams: messages that arrive whole or not at all.
#pragma once

#include <algorithm>
#include <cstddef>

#include "hilo/detail/socket_core.hpp"
#include "hilo/io.hpp"
#include "hilo/net/socket.hpp"
#include "hilo/result.hpp"

namespace hilo::net {

// How much of a datagram was received. If the datagram is longer than the buffer, the rest is lost.
struct received {
  std::size_t size = 0;    // bytes in the buffer
  std::size_t length = 0;  // bytes of the whole datagram; may be 0
  bool truncated() const noexcept { return length > size; }
};

template <class Address>
struct datagram : received {
  Address from;
};

// The common part of udp_socket and unix_datagram. Several fibers may send and receive at once.
template <class Address>
class datagram_socket : public addressed<Address> {
 public:
  using addressed<Address>::addressed;

  // Sends one datagram, whole. Parks: while there is no room: in the socket's own send buffer or,
  // for Unix sockets, in the receiver's queue. Errors: those of sendto(2); EMSGSIZE: the datagram
  // is too long.
  result<void> send_to(const void* data, std::size_t size, const Address& to,
                       io::until when = {}) noexcept {
    return detail::send_datagram(this->fd(), data, size, to.data(), to.size(), when);
  }

  // Receives one datagram, and the address of its sender. Parks: until there is one. Errors: those
  // of recvmsg(2).
  result<datagram<Address>> receive_from(void* buffer, std::size_t size,
                                         io::until when = {}) noexcept {
    detail::raw_address from;
    const auto length = detail::receive_datagram(this->fd(), buffer, size, from, when);
    if (!length) return {length.status(), length.error().value()};
    return datagram<Address>{{std::min(*length, size), *length}, Address(from.data(), from.size)};
  }

  // From now on the socket sends only to `to` and receives only from it; datagrams that came from
  // others before are still received. Never parks. Errors: those of connect(2).
  result<void> set_peer(const Address& to) noexcept {
    return detail::set_peer(this->fd(), to.data(), to.size());
  }

  // The same for a socket with a peer. Errors: those of send(2), recv(2); ECONNREFUSED: UDP: an
  // earlier datagram found no receiver, which tells nothing about this one; Unix: the peer is gone.
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
