// UDP (udp(7)): datagrams over IP, which may be lost, come twice, or overtake each other.
//
//   hilo::net::udp_socket server(hilo::net::address::loopback(9999));
//   char buffer[1500];
//   while (auto got = server.receive_from(buffer, sizeof buffer)) {
//     if (!got->truncated()) (void)server.send_to(buffer, got->size, got->from);
//   }
#pragma once

#include "hilo/detail/api.hpp"
#include "hilo/net/address.hpp"
#include "hilo/net/datagram.hpp"
#include "hilo/result.hpp"

namespace hilo::net {

struct udp_options {
  bool reuse_port = false;  // several sockets share the port, and divide the senders (SO_REUSEPORT)
};

class udp_socket : public datagram_socket<address> {
 public:
  using datagram_socket::datagram_socket;

  // Receives at an address. For a socket that only sends, use any(0), or its IPv6 form. Errors:
  // std::system_error that names the address.
  HILO_API explicit udp_socket(const address& at, const udp_options& options = {});

  // Makes a socket with a peer (set_peer) and an address that the kernel chooses. Never parks. If
  // no socket receives there, only a later call may report that. Errors: those of socket(2),
  // connect(2).
  HILO_API static result<udp_socket> connect(const address& to) noexcept;

  // Lets the socket send to broadcast addresses (SO_BROADCAST); without it that fails with EACCES.
  HILO_API result<void> set_broadcast(bool on) noexcept;
  // How many routers a datagram may pass, 1 to 255 (IP_TTL, IPV6_UNICAST_HOPS). Errors: EINVAL.
  HILO_API result<void> set_ttl(int hops) noexcept;
};

}  // namespace hilo::net
