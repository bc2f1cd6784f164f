// A fiber from its spawn to its end, and how it waits: runtime/sched/fibers/spawn.cpp, handle.cpp
// and runtime/sched/park.cpp, step by step.
#pragma once

#include <functional>

#include "bench/scaling/runtime.hpp"

namespace scaling {

// Makes the program of a new fiber.
using maker = std::function<step<void>(fiber&)>;

// A new fiber that is in no queue yet.
step<fiber*> make_fiber(fiber& me, const maker& make);
step<fiber*> spawn(fiber& me, const maker& make);
// Afterwards the fiber gives itself back at its end.
step<void> detach(fiber& me, fiber& child);
step<void> join(fiber& me, fiber& child);

// Waits until another fiber wakes this one. It is in a list, or its wake is on its way.
inline worker::departure park(fiber& me) {
  return {me, worker::leaving::parks, nullptr};
}
inline worker::departure yield(fiber& me) {
  return {me, worker::leaving::yields, nullptr};
}
// The fiber `one` goes on. For the running fiber `me`.
inline step<void> wake(fiber& me, fiber& one) {
  return me.at->run_next(one);
}

}  // namespace scaling
