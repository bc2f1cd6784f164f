// The monitor's part of the look for deadlocks. The look itself is in runtime/tool/deadlock.cpp.
//
// The monitor looks when all workers have slept for a while, and never while a fiber runs. So the
// look costs the fibers nothing.
#pragma once

#include <cstdint>

#include "hilo/runtime.hpp"

namespace hilo::sched {

enum class standstill : std::uint8_t {
  waits,   // a fiber waits for an event outside, such as I/O: look again when a fiber has run
  unsure,  // look again later
  over,    // a deadlock, which was reported
};

// Looks at all runtimes of the process. If nothing can run again, reports that, and ends the
// process if all runtimes agree to that. Implemented in runtime/tool.
standstill look_for_deadlock() noexcept;

// What HILO_DEADLOCK says, and otherwise `wanted`. Throws std::system_error for an unknown word.
// Implemented in runtime/tool.
on_deadlock deadlock_of_environment(on_deadlock wanted);

// When the monitor looks: `quiet_period` after all workers fell asleep; while it is unsure, again
// and again, each time after twice the time.
class deadlock_schedule {
 public:
  static constexpr std::int64_t quiet_period = 500'000'000;  // ns; guess: longer than most pauses
  static constexpr std::int64_t longest_pause = 64'000'000'000;  // guess: a wake-up a minute

  explicit deadlock_schedule(on_deadlock what) noexcept : on_(what != on_deadlock::off) {}

  // A fiber has run.
  void restart() noexcept {
    pause_ = quiet_period;
    settled_ = false;
  }
  // Whether a look is due in pause() from now.
  bool wants_look() const noexcept { return on_ && !settled_; }
  std::int64_t pause() const noexcept { return pause_; }
  void look() noexcept {
    settled_ = look_for_deadlock() != standstill::unsure;
    pause_ = pause_ * 2 < longest_pause ? pause_ * 2 : longest_pause;
  }

 private:
  const bool on_;
  bool settled_ = false;
  std::int64_t pause_ = quiet_period;
};

}  // namespace hilo::sched
