// The life of a fiber, from its stack to its end. The declarations for templates are in
// hilo/detail/task.hpp; this is what the rest of the scheduler needs.
#pragma once

#include <stop_token>

namespace hilo::sched {

struct fiber;

// The last call of every fiber, on its own stack: tells its handle, gives the stack back if nobody
// else will, and runs another fiber.
[[noreturn]] void end_fiber(fiber& self) noexcept;

// Lets a fiber that nobody else knows yet share a stop state. It must not have used its own.
void set_stop_source(fiber& one, const std::stop_source& stop) noexcept;

// Before a special fiber's first call, and after its last (lanes.cpp).
[[gnu::cold]] void begin_special(fiber& self) noexcept;
[[gnu::cold]] void end_special(fiber& self) noexcept;

}  // namespace hilo::sched
