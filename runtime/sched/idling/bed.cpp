#include "runtime/sched/idling/bed.hpp"

#include <cerrno>
#include <chrono>

#include "runtime/sched/time/timer_wheel.hpp"

namespace hilo::sched {
namespace {

sys::futex_clock::time_point to_time(std::int64_t ns) {
  return sys::futex_clock::time_point(std::chrono::nanoseconds(ns));
}

}  // namespace

bool bed::doze(std::int64_t until, port* where) noexcept {
  if (where != nullptr) {
    port_.store(where, std::memory_order_relaxed);
    std::uint32_t expected = asleep;
    if (!woken_.compare_exchange_strong(expected, in_port, std::memory_order_release,
                                        std::memory_order_relaxed)) {
      where->stay_up();
      return false;
    }
    const bool ready = where->wait(until);
    expected = in_port;
    (void)woken_.compare_exchange_strong(expected, asleep, std::memory_order_relaxed,
                                         std::memory_order_relaxed);  // (K2) is the caller's
    return ready;
  }
  if (until == timer_wheel::never) {
    sys::futex_wait(woken_, asleep);
  } else {
    sys::futex_wait_until(woken_, asleep, to_time(until));
  }
  return false;
}

void bed::wake_up() noexcept {
  if (woken_.exchange(awake, std::memory_order_acq_rel) == in_port) {  // (K1)
    port_.load(std::memory_order_relaxed)->wake();
  } else {
    sys::futex_wake_one(&woken_);
  }
}

void bed::await_wake_up() noexcept {
  while (!woken()) sys::futex_wait(woken_, asleep);  // (K2)
}

bool bed::await_wake_up_until(std::int64_t when) noexcept {
  while (!woken()) {  // (K2)
    if (sys::futex_wait_until(woken_, asleep, to_time(when)) == -ETIMEDOUT) return false;
  }
  return true;
}

}  // namespace hilo::sched
