// Where a simulation (hilo/simulate.hpp) may let another fiber run: decision points.
//
// A primitive has a decision point before each critical section, by the type of its lock
// (sync_lock). Some code takes the lock of a primitive as a plain spin_lock, to unlink a waiter or
// to hold several locks. Such code calls decision_point() before it, unless it already holds a
// lock, is in an `undecided` section, or ends the fiber. If a primitive works without a lock, it
// has a point before it takes something and after it has released it. Waking and spawning are
// decision points too (runtime/simulate/simulation.hpp). Outside of simulations a point is a test
// of one word that never changes; a lock with an owner does not even need that test.
//
// A fiber may be set aside while it holds a lock, because a destructor of the program may use
// another primitive under that lock. If another fiber wants the lock meanwhile, it decides again
// until it gets the lock (runtime/base/spin_lock.cpp).
#pragma once

#include <atomic>
#include <cstdint>

#include "hilo/detail/api.hpp"
#include "hilo/detail/spin_lock.hpp"

namespace hilo::detail {

// How many simulations run in this process. relaxed: it matters only to threads that run a
// simulation, and these threads changed it themselves.
HILO_API extern std::atomic<std::uint32_t> simulations;

inline bool simulating() noexcept {
  return simulations.load(std::memory_order_relaxed) != 0;
}

// If the caller is a fiber of a simulation, another fiber may run now. Out of line, because it is
// rare.
[[gnu::cold]] HILO_API void decide() noexcept;

inline void decision_point() noexcept {
  if (simulating()) [[unlikely]]
    decide();
}

// The lock of a primitive. A carrier of a simulation never owns a lock, so the owner's path
// (detail/spin_lock.hpp) needs no test for simulations.
class sync_lock : public spin_lock {
 public:
  void lock() noexcept { (void)lock_here(); }

  // The same, and returns the caller's carrier, because it had to look that up.
  const carrier* lock_here() noexcept {
    const std::uintptr_t me = caller();
    if (!lock_owned(me)) {
      decide_and_lock(me);
    } else if (me == 0) {
      __builtin_unreachable();  // only a carrier owns a lock, so callers need no test
    }
    return reinterpret_cast<const carrier*>(me);
  }

 private:
  HILO_API void decide_and_lock(std::uintptr_t me) noexcept;
};

// While such an object lives, the simulated fiber that made it is not replaced at a decision point.
// For a fiber that wakes others in the middle of a change that they must not see half done.
class undecided {
 public:
  undecided() noexcept {
    if (simulating()) [[unlikely]]
      begin();
  }
  ~undecided() {
    if (held_) [[unlikely]]
      end();
  }
  undecided(const undecided&) = delete;
  undecided& operator=(const undecided&) = delete;

 private:
  [[gnu::cold]] HILO_API void begin() noexcept;
  [[gnu::cold]] HILO_API void end() noexcept;
  bool held_ = false;
};

// If the caller is a fiber of a simulation, ends the program. The message says that `what`, a
// literal, is not available there, because it needs the kernel or another thread.
[[gnu::cold]] HILO_API void refuse_simulated(const char* what) noexcept;

// The same, unless `when`, in nanoseconds, is a time of the simulation's clock, or no time.
[[gnu::cold]] HILO_API void check_simulated_time(std::int64_t when) noexcept;

}  // namespace hilo::detail
