// The life of a fiber, from its stack to its end. The declarations for templates are in
// hilo/detail/task.hpp; this is what the rest of the scheduler needs.
#pragma once

namespace hilo::sched {

struct fiber;

// The last call of every fiber, on its own stack: tells its handle, gives the stack back if nobody
// else will, and runs another fiber.
[[noreturn]] void end_fiber(fiber& self) noexcept;

// Before a special fiber's first call, and after its last (lanes.cpp).
[[gnu::cold]] void begin_special(fiber& self) noexcept;
[[gnu::cold]] void end_special(fiber& self) noexcept;

}  // namespace hilo::sched
