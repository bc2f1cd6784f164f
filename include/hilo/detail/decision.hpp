// Where a simulation (hilo/simulate.hpp) may let another fiber run: decision points.
//
// A primitive has one before each critical section, by the type of its lock (sync_lock). Code that
// takes a lock of a primitive as a plain spin_lock, to unlink a waiter or to hold several locks,
// has decision_point() before it, unless it holds a lock already, is in an `undecided` section, or
// ends the fiber. Where a primitive works without a lock it has a point before it takes something
// and after it gave it up. Waking and spawning are decision points of their own
// (runtime/simulate/simulation.hpp). Outside of simulations a point is a test of one word that
// never changes, and a lock with an owner has not even that.
//
// A fiber may be set aside while it holds a lock, because under it a destructor of the program's
// comes to another primitive. A fiber that wants that lock then decides again until it has it
// (runtime/base/spin_lock.cpp).
#pragma once

#include <atomic>
#include <cstdint>

#include "hilo/detail/api.hpp"
#include "hilo/detail/spin_lock.hpp"

namespace hilo::detail {

// How many simulations run in this process. relaxed: it matters to the threads only that run one,
// and those changed it themselves.
HILO_API extern std::atomic<std::uint32_t> simulations;

inline bool simulating() noexcept {
  return simulations.load(std::memory_order_relaxed) != 0;
}

// If the caller is a fiber of a simulation: another one may run now. Out of line, and rare.
[[gnu::cold]] HILO_API void decide() noexcept;

inline void decision_point() noexcept {
  if (simulating()) [[unlikely]]
    decide();
}

// The lock of a primitive. No carrier of a simulation owns one, so the way of owners
// (detail/spin_lock.hpp) does without the test.
class sync_lock : public spin_lock {
 public:
  void lock() noexcept { (void)lock_here(); }

  // The same; returns the caller's carrier, which it had to look up.
  const carrier* lock_here() noexcept {
    const std::uintptr_t me = caller();
    if (!lock_owned(me)) {
      decide_and_lock(me);
    } else if (me == 0) {
      __builtin_unreachable();  // only a carrier owns a lock: saves the callers a test
    }
    return reinterpret_cast<const carrier*>(me);
  }

 private:
  HILO_API void decide_and_lock(std::uintptr_t me) noexcept;
};

// While one lives, the simulated fiber that made it goes on at every decision point: it wakes
// others in the middle of something that they would meet.
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

// Ends the program if the caller is a fiber of a simulation, with a message that `what`, a literal,
// cannot be had there: it needs the kernel, or another thread.
[[gnu::cold]] HILO_API void refuse_simulated(const char* what) noexcept;

// The same unless `when`, in nanoseconds, is a time of the simulation's own clock, or none.
[[gnu::cold]] HILO_API void check_simulated_time(std::int64_t when) noexcept;

}  // namespace hilo::detail
