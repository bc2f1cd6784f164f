// The deadlines of a fiber's waits.
//
// A wait with a deadline nearly always ends before it, and the next one's is nearly always later:
// a server that reads with a timeout. So a fiber keeps one timer, its alarm, that stays armed over
// its waits. It may go off before the deadline of the wait at hand, never after; then it is armed
// again for that, or not at all when there is none. So a wait with a deadline costs two stores and
// three loads, and a timer goes through the wheel once in the time of the shortest of its timeouts.
// A sleep, which nearly always reaches its time, has a timer of its own (wait.cpp).
//
// Who fires an alarm must end the wait whose deadline he saw, and no later one: he reads the number
// in `claimed`, then the deadline, then claims the wait of that number. The fiber clears the
// deadline before it takes another number, so both are of one wait.
//
// And no wait may rely on an alarm that is about to find none:
//
//   the fiber, as a wait begins                  who fires
//   (D1) until_ := its deadline                  (D3) phase := firing, under the wheel's lock
//   light_fence                                  heavy_fence, once for all that found nothing to
//   end (D2) read phase                              (D4) read until_
//
// The fences are asymmetric (detail/fence.hpp): either (D4) sees the deadline, or (D2) sees that
// the alarm fires or has fired, and the fiber arms it anew. Who ends a wait needs no fence.
#pragma once

#include <atomic>
#include <cstdint>

#include "hilo/detail/waiter.hpp"
#include "hilo/fiber_local.hpp"

#include "runtime/sched/timer_wheel.hpp"

namespace hilo::sched {

// A local value of its fiber once it was armed: so it is cancelled when the fiber ends.
class alarm final : detail::local_value, timer {
 public:
  explicit alarm(detail::waiter& whose) noexcept;

  // By the fiber, whose wait others may end from now on: with timed_out at `deadline`. If the alarm
  // is not armed, or too late, it will be in `wheel`.
  void set(timer_wheel& wheel, detail::local_value*& locals, std::int64_t deadline) noexcept {
    until_.store(deadline, std::memory_order_release);  // (D1) publishes the wait
    detail::light_fence();
    // (D2) acquire: sees `when_`
    if (phase.load(std::memory_order_acquire) != timer::armed ||
        when_.load(std::memory_order_relaxed) > deadline) {
      arm(wheel, locals, deadline);
    }
  }

  // By the fiber, when its wait is over, before it takes another number.
  void clear() noexcept { until_.store(detail::no_deadline, std::memory_order_relaxed); }

  bool is(const timer* one) const noexcept { return one == this; }
  // Whereabouts the frames of its fiber's waits are, to be fetched. Any thread; a hint.
  const void* frames() const noexcept { return frames_.load(std::memory_order_relaxed); }

 private:
  static fired fire(timer& self, std::int64_t now, bool behind_fence) noexcept;
  void arm(timer_wheel& wheel, detail::local_value*& locals, std::int64_t deadline) noexcept;

  std::atomic<std::int64_t> until_{detail::no_deadline};  // the deadline of the wait at hand
  // When it goes off, if it is armed. Written by the fiber and, while it fires, by who fires it:
  // published by the phase. A later value than the phase's is one for which (D4) saw the deadline.
  std::atomic<std::int64_t> when_{0};
  std::atomic<const void*> frames_{nullptr};
  bool listed_ = false;  // among the fiber's local values
};

}  // namespace hilo::sched
