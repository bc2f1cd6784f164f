// TCP: hilo/net.hpp has an example.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "hilo/detail/api.hpp"
#include "hilo/io.hpp"
#include "hilo/net/address.hpp"
#include "hilo/net/socket.hpp"
#include "hilo/result.hpp"

namespace hilo::net {

class tcp_stream : public addressed<address, stream> {
 public:
  using addressed::addressed;

  // Connects. Errors: those of connect(2).
  HILO_API static result<tcp_stream> connect(const address& to, io::until = {}) noexcept;
  // Connects to the first of several addresses that answers, as in RFC 8305 (happy eyeballs). The
  // addresses are tried in order, IPv4 and IPv6 in turn. If an address has not answered after 250
  // ms, or as soon as an attempt fails, the next is tried as well. The first that connects is
  // taken, and the others are given up. If all fail, `why`, if given, gets a line with each address
  // and how its attempt ended. Errors: those of connect(2) for the first address; EINVAL: there is
  // no address.
  HILO_API static result<tcp_stream> connect(std::span<const address> to, io::until = {},
                                             std::string* why = nullptr) noexcept;
  // Looks a name up (look_up) and connects to one of its addresses. The deadline is for both.
  // Errors: those of both.
  HILO_API static result<tcp_stream> connect(std::string_view name, std::uint16_t port,
                                             io::until = {}, std::string* why = nullptr) noexcept;

  // Sends small writes at once (TCP_NODELAY; connect and accept set it).
  HILO_API result<void> set_nodelay(bool on) noexcept;
  // If the peer is silent for `idle_seconds`, asks whether it is still there (SO_KEEPALIVE); 0:
  // never.
  HILO_API result<void> set_keepalive(int idle_seconds) noexcept;
};

struct listen_options {
  int backlog = 4096;       // net.core.somaxconn limits it
  bool reuse_port = false;  // several listeners share the port (SO_REUSEPORT)
};

class tcp_listener : public addressed<address> {
 public:
  // Listens. Errors: std::system_error that names the address.
  HILO_API explicit tcp_listener(const address& at, const listen_options& options = {});

  // Returns the next connection. If the process or the system has no descriptor or memory left
  // (EMFILE, ENFILE, ENOBUFS, ENOMEM), the call waits a little and tries again. Connections that
  // were reset before they were accepted are skipped. So both an error and closed mean that the
  // listener cannot be used any more.
  HILO_API result<tcp_stream> accept(io::until = {}) noexcept;
  // Returns a connection that waits already; else would_block. Without a descriptor or memory left
  // it fails (EMFILE, ENFILE, ENOBUFS, ENOMEM), and the listener can still be used. Sets the
  // listening socket's non-blocking mode. Never parks; would_block counts (docs/fibers.md).
  HILO_API result<tcp_stream> try_accept() noexcept;
};

}  // namespace hilo::net
