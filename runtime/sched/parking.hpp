// For backtraces: which functions lie between a wait and the switch.
#pragma once

#include <cstdint>

namespace hilo::sched {

// Whether the function that begins at this address is one of those. A compiler that optimises
// leaves most of them by jumps. Where it does not, the backtraces of two fibers that wait at the
// same place differ in them, because one of the fibers went the quick way and one the slow way.
bool is_parking(std::uintptr_t function) noexcept;

}  // namespace hilo::sched
