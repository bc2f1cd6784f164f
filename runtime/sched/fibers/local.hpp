// The values of fiber_local variables that a fiber has.
#pragma once

#include "hilo/fiber_local.hpp"

namespace hilo::sched {

// The same number of rounds as pthread keys have (PTHREAD_DESTRUCTOR_ITERATIONS).
inline constexpr int local_rounds = 4;

// Destroys all values of a list, the newest first, in rounds. A destructor finds the values that
// are not destroyed yet. Values that destructors made meanwhile are destroyed in the next round.
// Values left after the last round are dropped: their destructors are not called.
void destroy_locals(detail::local_value*& first) noexcept;

}  // namespace hilo::sched
