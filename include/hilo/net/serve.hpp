// A server's loop: takes connections from a listener, and gives each to a fiber of its own.
//
//   hilo::net::tcp_listener listener(hilo::net::address::loopback(8080));
//   std::stop_source stop;
//   const auto echo = [](hilo::net::tcp_stream peer) {
//     char buffer[4096];
//     while (auto got = peer.read(buffer, sizeof buffer)) {
//       if (*got == 0 || !peer.write_all(buffer, *got)) break;
//     }
//   };
//   auto end = hilo::net::serve(listener, echo, {.connections = 1000, .stop = stop.get_token()});
//
// A handler that has to finish its work before a stop takes a std::stop_token as well: once a stop
// is requested there, it answers what it has read and returns.
//
//   [](hilo::net::tcp_stream peer, const std::stop_token& stop) {
//     while (auto request = hilo::with_stop(stop, [&] { return read_request(peer); })) {
//       answer(peer, *request);
//     }
//   }
#pragma once

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <stop_token>
#include <type_traits>
#include <utility>

#include "hilo/detail/api.hpp"
#include "hilo/detail/deadline.hpp"
#include "hilo/fiber.hpp"
#include "hilo/limit.hpp"
#include "hilo/net/tcp.hpp"
#include "hilo/result.hpp"
#include "hilo/scope.hpp"
#include "hilo/status.hpp"

namespace hilo {

namespace detail {

// Writes a line about an exception that ended a connection.
HILO_API void report_connection(const std::exception_ptr& error) noexcept;

template <class Listener>
using accepted_by = std::decay_t<decltype(*std::declval<Listener&>().accept())>;

}  // namespace detail

namespace net {

// What serve() can call for each connection. It is asked for, so that a function of the program
// that is called serve too, and takes a listener, is not mistaken for this one.
template <class H, class Listener>
concept connection_handler = std::is_invocable_v<H&, detail::accepted_by<Listener>> ||
    std::is_invocable_v<H&, detail::accepted_by<Listener>, std::stop_token>;

struct serve_options {
  // Connections that are served at the same time; 0: any number. Further connections wait in the
  // kernel's queue, which the backlog of the listener bounds.
  std::size_t connections = 0;
  // A request here ends the server gracefully.
  std::stop_token stop = {};
  // How long the connections may go on after that. Then their waits end with cancelled.
  detail::any_duration grace = std::chrono::seconds(10);
  // Gets the exception that ended a connection, or for which its fiber could not be made; the other
  // connections go on. Called in several fibers at once. Empty: a line on standard error. If it
  // throws itself, all connections are asked to stop, and serve() rethrows the exception.
  std::function<void(std::exception_ptr)> on_error = {};
  spawn_options fibers{.name = "connection"};  // how the fibers are made
};

// Accepts connections, and calls handler(stream) or handler(stream, stop_token) for each, in a
// fiber of its own; the handler is called in several fibers at once. Never accepts more than it may
// serve. Returns when it accepts no more and all handlers have returned: ok if options.stop was
// requested; the connections that the kernel had accepted by then are still served, as far as there
// is room. cancelled or timed_out if a stop request or a limit of the caller came; the waits of all
// handlers then end at once. closed if another fiber closed the listener, and the errors of accept
// if the listener cannot be used any more; the connections then have the grace time, too.
// Parks: until then. Callable from: any fiber. Errors: std::system_error EINVAL: options.fibers has
// a stack; the exception of on_error.
template <class Listener, connection_handler<Listener> Handler>
result<void> serve(Listener& listener, Handler&& handler, const serve_options& options = {}) {
  using connection = detail::accepted_by<Listener>;
  std::stop_source leaving;
  const std::stop_callback follow(options.stop, [&leaving] { leaving.request_stop(); });
  const std::stop_token token = leaving.get_token();
  scope<> connections({.limit = options.connections, .fibers = options.fibers});

  const auto report = [&] {
    const std::exception_ptr error = std::current_exception();
    if (!options.on_error) return detail::report_connection(error);
    try {
      options.on_error(error);
    } catch (...) {
      leaving.request_stop();
      throw;
    }
  };
  const auto serve_one = [&](connection&& peer) {
    try {
      return connections.spawn([&, peer = std::move(peer)]() mutable {
        try {
          if constexpr (std::is_invocable_v<Handler&, connection, std::stop_token>) {
            std::invoke(handler, std::move(peer), token);
          } else {
            std::invoke(handler, std::move(peer));
          }
        } catch (...) {
          report();
        }
      });
    } catch (...) {
      report();
      return status::ok;
    }
  };

  result<void> end;
  while (end) {
    result<connection> next = with_stop(token, [&]() -> result<connection> {
      // An accept that finds a connection at once takes it after a stop, too.
      status early = this_fiber::limit_reached();
      if (early == status::ok) early = connections.wait_for_room();
      if (early != status::ok) return {early, early == status::timed_out ? ETIMEDOUT : ECANCELED};
      return listener.accept();
    });
    if (next) {
      if (serve_one(*std::move(next)) != status::ok) break;
    } else {
      if (next.status() == status::cancelled && options.stop.stop_requested()) break;
      // It may have been closed before the accept or in it.
      end = listener ? result<void>(next.status(), next.error().value())
                     : result<void>(status::closed, EBADF);
    }
  }
  leaving.request_stop();
  // The peers of these take themselves for accepted, and may have sent their requests. There are no
  // more of them than the queue is long; later ones are not waited for.
  if (end) {
    for (int queued = listen_options().backlog; queued > 0; --queued) {
      if (connections.wait_for_room(std::chrono::nanoseconds(0)) != status::ok) break;
      result<connection> next = listener.try_accept();
      if (!next || serve_one(*std::move(next)) != status::ok) break;
    }
  }
  if (connections.wait_for(std::chrono::nanoseconds(options.grace)) != status::ok)
    connections.request_stop();
  connections.join();
  return end;
}

}  // namespace net
}  // namespace hilo
