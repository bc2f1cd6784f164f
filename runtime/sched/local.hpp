// The values of fiber_local variables that a fiber has.
#pragma once

#include "hilo/fiber_local.hpp"

namespace hilo::sched {

// As many as pthread keys have (PTHREAD_DESTRUCTOR_ITERATIONS).
inline constexpr int local_rounds = 4;

// Destroys all of a list, the last made first, in rounds: a destructor finds the values that are
// not destroyed yet, and those that destructors made meanwhile are destroyed in the next round.
// Values that are left after the last round are dropped: their destructors are not called.
void destroy_locals(detail::local_value*& first) noexcept;

}  // namespace hilo::sched
