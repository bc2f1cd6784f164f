// Waits of sockets that no descriptor ends: the kernel tells nobody when there is room again.
#pragma once

#include "hilo/io.hpp"
#include "hilo/result.hpp"

namespace hilo::net {

// Parks for some milliseconds, before a call that had no room is made again, or until a limit.
result<void> retry_later(io::until when) noexcept;

// The next connection of a listener, as tcp_listener::accept has it.
result<int> next_connection(int listener, io::until when) noexcept;

}  // namespace hilo::net
