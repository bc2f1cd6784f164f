#include "hilo/net/udp.hpp"

#include <cerrno>
#include <cstring>

#include "runtime/base/error.hpp"
#include "runtime/io/net/option.hpp"

namespace hilo::net {

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
  int family = 0;
  socklen_t size = sizeof family;
  if (::getsockopt(fd(), SOL_SOCKET, SO_DOMAIN, &family, &size) != 0) return failed<void>(errno);
  if (hops < 1) return failed<void>(EINVAL);  // -1 and 0 mean other things
  return family == AF_INET6 ? set_option(fd(), IPPROTO_IPV6, IPV6_UNICAST_HOPS, hops)
                            : set_option(fd(), IPPROTO_IP, IP_TTL, hops);
}

}  // namespace hilo::net
