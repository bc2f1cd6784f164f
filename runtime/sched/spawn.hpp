// The life of a fiber, from its stack to its end. The declarations for templates are in
// hilo/detail/task.hpp; this is what the rest of the scheduler needs.
#pragma once

namespace hilo::sched {

struct fiber;

// The last call of every fiber, on its own stack: tells its handle, gives the stack back if nobody
// else will, and runs another fiber.
[[noreturn]] void end_fiber(fiber& self) noexcept;

}  // namespace hilo::sched
