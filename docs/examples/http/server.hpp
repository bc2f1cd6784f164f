// The server: it accepts connections, each of which is served by a fiber, until it is told to stop.
#pragma once

#include <hilo/hilo.hpp>
#include <stop_token>
#include <utility>

#include "connection.hpp"
#include "limits.hpp"

namespace http {

class server {
 public:
  // Listens. Errors: std::system_error.
  server(const hilo::net::address& at, handler handle, const limits& granted = {})
      : listener_(at), handle_(std::move(handle)), limits_(granted) {}

  hilo::net::address address() const { return listener_.local().value(); }

  // Serves until one of these signals comes. Then it accepts no connection any more but those that
  // the kernel had accepted already, finishes the requests that run, and returns when the last
  // connection has ended: after limits::stop_time, or at a second signal, what is left is
  // cancelled. Parks: until then. Callable from: a fiber, once.
  void run(hilo::io::signal_set& signals);

 private:
  bool serve(hilo::scope<>& connections, hilo::net::tcp_stream stream);

  hilo::net::tcp_listener listener_;
  const handler handle_;
  const limits limits_;
  std::stop_source stopping_;
};

}  // namespace http
