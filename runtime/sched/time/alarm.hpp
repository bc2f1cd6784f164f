// The deadlines of a fiber's waits.
//
// A wait with a deadline nearly always ends before that deadline, and the deadline of the next wait
// is nearly always later. A server that reads with a timeout is an example. So a fiber keeps one
// timer, its alarm, that stays armed over its waits. The alarm may go off before the deadline of
// the current wait, never after it. It is then armed again for that deadline, or not at all if
// there is none. So a wait with a deadline costs two stores and three loads, and a timer goes
// through the wheel once in the time of the fiber's shortest timeout. A sleep nearly always reaches
// its time, so it has a timer of its own (wait.cpp).
//
// A thread that fires an alarm must end the wait whose deadline it saw, and no later wait. It reads
// the number in `claimed`, then the deadline, and then claims the wait of that number. The fiber
// clears the deadline before it takes another number, so both belong to one wait.
//
// A wait must also not rely on an alarm that is about to fire and find no deadline:
//
//   the fiber, as a wait begins                  the thread that fires
//   (D1) until_ := its deadline                  (D3) phase := firing, under the wheel's lock
//   light_fence                                  heavy_fence, one for all alarms in doubt
//   (D2) read phase                              (D4) read until_
//
// The fences are asymmetric (detail/fence.hpp). Either (D4) sees the deadline, or (D2) sees that
// the alarm fires or has fired, and the fiber arms it anew. A firing that ends a wait needs no
// fence.
#pragma once

#include <atomic>
#include <cstdint>

#include "hilo/detail/waiter.hpp"
#include "hilo/fiber_local.hpp"

#include "runtime/sched/time/timer_wheel.hpp"

namespace hilo::sched {

// Once it was armed, it is a local value of its fiber, so the end of the fiber cancels it.
class alarm final : detail::local_value, timer {
 public:
  explicit alarm(detail::waiter& whose) noexcept;

  // Called by the fiber. From now on other threads may end its wait, with timed_out at `deadline`.
  // If the alarm is not armed, or armed for too late a time, it is armed in `wheel`.
  void set(timer_wheel& wheel, detail::local_value*& locals, std::int64_t deadline) noexcept {
    until_.store(deadline, std::memory_order_release);  // (D1) publishes the wait
    detail::light_fence();
    // (D2) acquire: sees `when_`
    if (phase.load(std::memory_order_acquire) != timer::armed ||
        when_.load(std::memory_order_relaxed) > deadline) {
      arm(wheel, locals, deadline);
    }
  }

  // Called by the fiber when its wait is over, before it takes another number.
  void clear() noexcept { until_.store(detail::no_deadline, std::memory_order_relaxed); }

  bool is(const timer* one) const noexcept { return one == this; }
  // An address near the frames of its fiber's waits, to prefetch them. Any thread; a hint.
  const void* frames() const noexcept { return frames_.load(std::memory_order_relaxed); }

 private:
  static fired fire(timer& self, std::int64_t now, bool behind_fence) noexcept;
  void arm(timer_wheel& wheel, detail::local_value*& locals, std::int64_t deadline) noexcept;

  std::atomic<std::int64_t> until_{detail::no_deadline};  // the deadline of the current wait
  // When the alarm goes off, if it is armed. Written by the fiber and, while it fires, by the
  // thread that fires it: published by the phase. The fiber may read a newer value than the phase
  // published; for such a value (D4) saw the deadline.
  std::atomic<std::int64_t> when_{0};
  std::atomic<const void*> frames_{nullptr};
  bool listed_ = false;  // it is in the list of the fiber's local values
};

}  // namespace hilo::sched
