// How a call of hilo/io.hpp is made, whoever makes it: by the ring or by epoll in a fiber, by
// plain system calls elsewhere.
#pragma once

#include <cstdint>

#include "runtime/io/port.hpp"
#include "runtime/io/request.hpp"

namespace hilo::io {

outcome make(const request& one, std::int64_t deadline) noexcept;

// The same in a thread that runs no fiber.
outcome make_in_thread(const request& one, std::int64_t deadline) noexcept;

}  // namespace hilo::io
