// Waits of sockets that no descriptor ends: the kernel does not report when there is room again.
#pragma once

#include "hilo/io.hpp"
#include "hilo/result.hpp"

namespace hilo::net {

// Parks for some milliseconds, or until a limit. Called before a call that had no room is made
// again.
result<void> retry_later(io::until when) noexcept;

// Returns the next connection of a listener, as tcp_listener::accept does.
result<int> next_connection(int listener, io::until when) noexcept;

// Returns a connection that waits already, as tcp_listener::try_accept does.
result<int> waiting_connection(int listener) noexcept;

}  // namespace hilo::net
