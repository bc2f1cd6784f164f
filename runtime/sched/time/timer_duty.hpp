// When a worker fires timers on its base, and for whom.
//
// A worker that wakes for its timers fires those of sleeping carriers too. The woken fibers arm
// their next timers here. So if there is little to do, one carrier wakes for all.
//
// A batch of timers is offered to sleeping carriers only if the last batch took longer than it
// takes to wake a carrier and let it search. Until then the worker keeps quiet about it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "runtime/sched/queues/run_queue.hpp"
#include "runtime/sched/time/timer_wheel.hpp"

namespace hilo::sched {

class scheduler;

class timer_duty {
 public:
  explicit timer_duty(scheduler& owner) noexcept : scheduler_(owner) {}

  // Fires the timers that are due, and returns their number. The woken fibers come into `queue`.
  std::size_t fire(timer_wheel& own, run_queue& queue) noexcept;

  // When a sleep must end for a timer in `own`. Another worker that fires these timers with its own
  // comes first, and so it gets them all: the next timers are armed there.
  std::int64_t next_alarm(const timer_wheel& own) const noexcept;

  // Before a sleep: the batch has ended.
  void end_batch(std::int64_t now) noexcept;

  // Whether the worker woke for timers since the last call.
  bool woke_for_timers() noexcept { return std::exchange(up_for_timers_, false); }

 private:
  scheduler& scheduler_;
  std::int64_t fired_at_ = 0;
  bool batch_runs_ = false;     // it fired timers since the last sleep
  bool quick_batches_ = false;  // the last such batch was quick
  bool up_for_timers_ = false;
};

}  // namespace hilo::sched
