// The life of a fiber, from its stack to its end. The declarations for templates are in
// hilo/detail/task.hpp; this is what the rest of the scheduler needs.
#pragma once

#include <exception>
#include <stop_token>
#include <utility>

#include "runtime/sched/fibers/fiber.hpp"

namespace hilo::sched {

// The last call of every fiber, on its own stack, after its values are destroyed. It tells the
// handle, gives the stack back if no handle will, and runs another fiber. It does not return, but
// is not marked so: it must be a tail call (context::leave_context).
void end_fiber(fiber& self) noexcept;

// Ends the program because an exception left a detached fiber.
[[noreturn, gnu::cold]] void end_for_exception(const fiber& self,
                                               const std::exception_ptr& error) noexcept;

// Destroys the result of a detached fiber. This runs user code, which may park.
[[gnu::always_inline]] inline void drop_result(fiber& self) noexcept {
  detail::task& work = *std::exchange(self.work, nullptr);
  if (work.error != nullptr) [[unlikely]]
    end_for_exception(self, work.error);
  work.destroy(work);
}

// fiber.cpp. Called in a fiber whose callable has returned: destroys its fiber_local values and, if
// it has a thread block, its thread_local objects. They run user code, and may park.
void end_values(fiber& self) noexcept;
// Called after the last user code of a special fiber, or of a fiber that keeps more than registers.
[[gnu::cold]] void take_down(fiber& self) noexcept;

// The stop state; made at the first need. Throws std::bad_alloc.
std::stop_source& stop_source_of(fiber& one);
// Makes a fiber that is not known to others yet share a stop state. The fiber must not have used
// its own. If the whole runtime was asked to stop (stop_all.cpp), the fiber has a stop state, and
// keeps it.
void set_stop_source(fiber& one, const std::stop_source& stop) noexcept;
// Whether the fiber has this stop state.
bool shares_stop_state(const fiber& self, const std::stop_source& stop) noexcept;
// Whether the fiber's token has a request, without making one.
bool is_asked_to_stop(const fiber& self) noexcept;

// Called before a special fiber's first user code, and after its last (lanes.cpp).
[[gnu::cold]] void begin_special(fiber& self) noexcept;
[[gnu::cold]] void end_special(fiber& self) noexcept;

}  // namespace hilo::sched
