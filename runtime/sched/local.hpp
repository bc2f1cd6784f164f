// The values of fiber_local variables that a fiber has.
#pragma once

#include "hilo/fiber_local.hpp"

namespace hilo::sched {

// Destroys all of a list, the last made first; also those that a destructor makes meanwhile.
void destroy_locals(detail::local_value*& first) noexcept;

}  // namespace hilo::sched
