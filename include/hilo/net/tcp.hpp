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
  // Connects to the first of several addresses that answers, as RFC 8305 (happy eyeballs) has it:
  // they are tried in their order, but that the two families take turns; each gets 250 ms before
  // the next is tried beside it, or less if one fails. The first to be connected is taken, the
  // others are given up. If it fails, `why`, if given, is a line that says what was tried and how
  // each ended. Errors: those of connect(2) for the first address; EINVAL: there is none.
  HILO_API static result<tcp_stream> connect(std::span<const address> to, io::until = {},
                                             std::string* why = nullptr) noexcept;
  // Looks a name up (look_up) and connects to one of its addresses. The deadline is for both.
  // Errors: those of either.
  HILO_API static result<tcp_stream> connect(std::string_view name, std::uint16_t port,
                                             io::until = {}, std::string* why = nullptr) noexcept;

  // Sends small writes at once (TCP_NODELAY; connect and accept set it).
  HILO_API result<void> set_nodelay(bool on) noexcept;
  // Asks a silent peer after `idle_seconds` whether it is there (SO_KEEPALIVE); 0: never.
  HILO_API result<void> set_keepalive(int idle_seconds) noexcept;
};

struct listen_options {
  int backlog = 4096;       // the kernel keeps to net.core.somaxconn
  bool reuse_port = false;  // several listeners share the port (SO_REUSEPORT)
};

class tcp_listener : public addressed<address> {
 public:
  // Listens. Errors: std::system_error that names the address.
  HILO_API explicit tcp_listener(const address& at, const listen_options& options = {});

  // The next connection. Where the process or the system has no descriptor or memory left (EMFILE,
  // ENFILE, ENOBUFS, ENOMEM) it waits a little and tries again, and connections that were reset
  // before they were accepted are passed over; so an error means that the listener is of no use any
  // more, as closed does.
  HILO_API result<tcp_stream> accept(io::until = {}) noexcept;
};

}  // namespace hilo::net
