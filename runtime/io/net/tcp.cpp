#include "hilo/net/tcp.hpp"

#include <cerrno>
#include <cstring>

#include <netinet/tcp.h>

#include "runtime/base/error.hpp"
#include "runtime/io/net/option.hpp"
#include "runtime/io/net/patience.hpp"

namespace hilo::net {

result<tcp_stream> tcp_stream::connect(const address& to, io::until when) noexcept {
  tcp_stream made(::socket(to.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!made) return failed<tcp_stream>(errno);
  const result<void> done = io::connect(made.fd(), to.data(), to.size(), when);
  if (!done) return because<tcp_stream>(done);
  (void)made.set_nodelay(true);
  return made;
}

result<void> tcp_stream::set_nodelay(bool on) noexcept {
  return set_option(fd(), IPPROTO_TCP, TCP_NODELAY, on ? 1 : 0);
}
result<void> tcp_stream::set_keepalive(int idle_seconds) noexcept {
  const result<void> done = set_option(fd(), SOL_SOCKET, SO_KEEPALIVE, idle_seconds > 0 ? 1 : 0);
  if (!done || idle_seconds <= 0) return done;
  return set_option(fd(), IPPROTO_TCP, TCP_KEEPIDLE, idle_seconds);
}

tcp_listener::tcp_listener(const address& at, const listen_options& options)
    : addressed(::socket(at.family(), SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const auto check = [&](bool done) {
    if (done) return;
    const int error = errno;
    base::fail(error, "listen on " + at.to_string(),
               error == EADDRINUSE ? "another socket listens there; see ss -ltnp"
               : error == EACCES
                   ? "ports below net.ipv4.ip_unprivileged_port_start need CAP_NET_BIND_SERVICE"
                   : std::strerror(error));
  };
  check(fd() >= 0);
  // So that a restarted server need not wait until the kernel forgets the old server's connections.
  check(set_option(fd(), SOL_SOCKET, SO_REUSEADDR, 1).status() == status::ok);
  if (options.reuse_port) {
    check(set_option(fd(), SOL_SOCKET, SO_REUSEPORT, 1).status() == status::ok);
  }
  check(::bind(fd(), at.data(), at.size()) == 0);
  check(::listen(fd(), options.backlog) == 0);
}

result<tcp_stream> tcp_listener::accept(io::until when) noexcept {
  const result<int> peer = next_connection(fd(), when);
  if (!peer) return because<tcp_stream>(peer);
  tcp_stream made(*peer);
  (void)made.set_nodelay(true);
  return made;
}

result<tcp_stream> tcp_listener::try_accept() noexcept {
  const result<int> peer = waiting_connection(fd());
  if (!peer) return because<tcp_stream>(peer);
  tcp_stream made(*peer);
  (void)made.set_nodelay(true);
  return made;
}

}  // namespace hilo::net
