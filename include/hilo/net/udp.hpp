// UDP (udp(7)): datagrams over IP, which may be lost, come twice, or overtake each other.
//
//   hilo::net::udp_socket server(hilo::net::address::loopback(9999));
//   char buffer[1500];
//   while (auto got = server.receive_from(buffer, sizeof buffer)) {
//     if (!got->truncated()) (void)server.send_to(buffer, got->size, got->from);
//   }
//
// A group (multicast) is an address that several sockets receive at:
//
//   const auto group = *hilo::net::address::parse("239.255.1.7", 5007);
//   hilo::net::udp_socket member(hilo::net::address::any(5007), {.reuse_address = true});
//   (void)member.join(group);
#pragma once

#include "hilo/detail/api.hpp"
#include "hilo/net/address.hpp"
#include "hilo/net/datagram.hpp"
#include "hilo/result.hpp"

namespace hilo::net {

struct udp_options {
  bool reuse_port = false;  // several sockets share the port, and divide the senders (SO_REUSEPORT)
  // Several sockets have the same address, and each gets every datagram to a group that it joined
  // (SO_REUSEADDR).
  bool reuse_address = false;
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

  // From now on the socket also receives what is sent to a group (RFC 1112, RFC 3810), and nothing
  // that is sent to groups of other sockets; leave() and the end of the socket end that. The port
  // of `group` says nothing: the socket receives at its own. `interface` is the number of a network
  // interface (if_nametoindex(3)); 0: the kernel chooses it by its routes. Never parks. Errors:
  // those of setsockopt(2); EINVAL: it is not the address of a group; ENODEV: there is no such
  // interface, or no route; EADDRINUSE: it has joined already; EADDRNOTAVAIL: leave(): it has not
  // joined.
  HILO_API result<void> join(const address& group, unsigned interface = 0) noexcept;
  HILO_API result<void> leave(const address& group, unsigned interface = 0) noexcept;
  // How datagrams of this socket go to groups. Never parks. Errors: those of setsockopt(2).
  //   ttl: how many routers they may pass, 0 to 255; 0: they stay in this machine. 1 if not set.
  //   loop: whether members in this machine get them too. True if not set.
  //   interface: through which they leave; 0: the kernel chooses.
  HILO_API result<void> set_group_ttl(int hops) noexcept;
  HILO_API result<void> set_group_loop(bool on) noexcept;
  HILO_API result<void> set_group_interface(unsigned interface) noexcept;
};

}  // namespace hilo::net
