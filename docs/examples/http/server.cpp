#include "server.hpp"

#include <chrono>
#include <cstdio>
#include <exception>

using namespace std::chrono_literals;

namespace http {

void server::run(hilo::io::signal_set& signals) {
  hilo::scope<> connections({.limit = limits_.connections, .fibers = {.name = "connection"}});
  const auto stopper = hilo::spawn([&] {
    if (!signals.receive()) return;  // cancelled, as the server has ended
    stopping_.request_stop();
    (void)signals.receive(limits_.stop_time);
    connections.request_stop();
  });
  while (auto peer = hilo::with_stop(stopping_.get_token(), [&] { return listener_.accept(); })) {
    if (!serve(connections, std::move(*peer))) return;
  }
  // Whom the kernel has let in takes himself for accepted, and may have sent his request. There are
  // no more of them than its queue is long.
  for (int waiting = hilo::net::listen_options().backlog; waiting > 0; --waiting) {
    auto peer = listener_.accept(5ms);
    if (!peer || !serve(connections, std::move(*peer))) break;
  }
  (void)listener_.close();
  connections.join();
}

// Starts the fiber of a connection; waits while there are as many as there may be. False: what runs
// has been cancelled.
bool server::serve(hilo::scope<>& connections, hilo::net::tcp_stream stream) {
  return connections.spawn([this, stream = std::move(stream)]() mutable {
    // A connection that cannot go on, for want of memory, is no reason to end the others.
    try {
      connection(std::move(stream), handle_, limits_, stopping_.get_token()).serve();
    } catch (const std::exception& error) {
      std::fprintf(stderr, "a connection ended early: %s\n", error.what());
    }
  }) == hilo::status::ok;
}

}  // namespace http
