#include "hilo/net/udp.hpp"

#include <cerrno>
#include <cstring>

#include <netinet/in.h>

#include "runtime/base/error.hpp"
#include "runtime/io/net/option.hpp"

#ifndef IPV6_MULTICAST_ALL  // a libc that leaves it to the kernel's header
#define IPV6_MULTICAST_ALL 29
#endif

namespace hilo::net {
namespace {

// AF_INET, AF_INET6, or -1 with errno set.
int family_of(int fd) noexcept {
  int family = -1;
  socklen_t size = sizeof family;
  return ::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size) == 0 ? family : -1;
}

// Sets an option that has the same meaning and values for both families.
result<void> set_by_family(int fd, int ipv4, int ipv6, int value) noexcept {
  const int family = family_of(fd);
  if (family < 0) return failed<void>(errno);
  return family == AF_INET6 ? set_option(fd, IPPROTO_IPV6, ipv6, value)
                            : set_option(fd, IPPROTO_IP, ipv4, value);
}

result<void> change_membership(int fd, int how, const address& group, unsigned interface) noexcept {
  group_req wanted{};
  wanted.gr_interface = interface;
  std::memcpy(&wanted.gr_group, group.data(), group.size());
  // Without this the socket also gets what is sent to groups that other sockets have joined. Linux
  // before 4.20 has no such option for IPv6.
  (void)set_by_family(fd, IP_MULTICAST_ALL, IPV6_MULTICAST_ALL, 0);
  const int level = group.family() == AF_INET6 ? int{IPPROTO_IPV6} : int{IPPROTO_IP};
  if (::setsockopt(fd, level, how, &wanted, sizeof wanted) != 0) return failed<void>(errno);
  return {};
}

}  // namespace

udp_socket::udp_socket(const address& at, const udp_options& options)
    : datagram_socket(::socket(at.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
  const auto check = [&](bool done) {
    if (done) return;
    const int error = errno;
    base::fail(error, "receive datagrams at " + at.to_string(),
               error == EADDRINUSE ? "another socket is bound there; see ss -lunp"
               : error == EACCES
                   ? "ports below net.ipv4.ip_unprivileged_port_start need CAP_NET_BIND_SERVICE"
                   : std::strerror(error));
  };
  check(fd() >= 0);
  if (options.reuse_port) {
    check(set_option(fd(), SOL_SOCKET, SO_REUSEPORT, 1).status() == status::ok);
  }
  if (options.reuse_address) {
    check(set_option(fd(), SOL_SOCKET, SO_REUSEADDR, 1).status() == status::ok);
  }
  check(::bind(fd(), at.data(), at.size()) == 0);
}

result<udp_socket> udp_socket::connect(const address& to) noexcept {
  udp_socket made(::socket(to.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!made) return failed<udp_socket>(errno);
  const result<void> done = made.set_peer(to);
  if (!done) return because<udp_socket>(done);
  return made;
}

result<void> udp_socket::set_broadcast(bool on) noexcept {
  return set_option(fd(), SOL_SOCKET, SO_BROADCAST, on ? 1 : 0);
}

result<void> udp_socket::set_ttl(int hops) noexcept {
  if (hops < 1) return failed<void>(EINVAL);  // -1 and 0 mean other things
  return set_by_family(fd(), IP_TTL, IPV6_UNICAST_HOPS, hops);
}

result<void> udp_socket::join(const address& group, unsigned interface) noexcept {
  return change_membership(fd(), MCAST_JOIN_GROUP, group, interface);
}

result<void> udp_socket::leave(const address& group, unsigned interface) noexcept {
  return change_membership(fd(), MCAST_LEAVE_GROUP, group, interface);
}

result<void> udp_socket::set_group_ttl(int hops) noexcept {
  if (hops < 0) return failed<void>(EINVAL);  // -1 means another thing
  return set_by_family(fd(), IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS, hops);
}

result<void> udp_socket::set_group_loop(bool on) noexcept {
  return set_by_family(fd(), IP_MULTICAST_LOOP, IPV6_MULTICAST_LOOP, on ? 1 : 0);
}

result<void> udp_socket::set_group_interface(unsigned interface) noexcept {
  const int family = family_of(fd());
  if (family < 0) return failed<void>(errno);
  const int number = static_cast<int>(interface);
  if (family == AF_INET6) return set_option(fd(), IPPROTO_IPV6, IPV6_MULTICAST_IF, number);
  ip_mreqn wanted{};
  wanted.imr_ifindex = number;
  if (::setsockopt(fd(), IPPROTO_IP, IP_MULTICAST_IF, &wanted, sizeof wanted) != 0) {
    return failed<void>(errno);
  }
  return {};
}

}  // namespace hilo::net
