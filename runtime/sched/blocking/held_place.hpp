// The place of a worker (spares.hpp), how it passes to another worker, and the errands of a spare.
// The table of the hand-over is in spares.hpp.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

#include "runtime/sched/time/timer_wheel.hpp"

namespace hilo::sched {

class worker;
struct fiber;

struct place {
  explicit place(timer_wheel& wheel) noexcept : timers(&wheel) {}

  timer_wheel* timers;  // an extra place has those of the worker it stands beside

  // Tells the holder to leave this place. Written by the worker that opened the place, read by the
  // holder. Relaxed: it publishes nothing.
  std::atomic<bool> closing{false};
  // The worker to prompt when the place closes; written by the holder. Only a hint, but its reader
  // needs a whole worker, and a spare may be newly made: (U) release, acquired.
  std::atomic<worker*> holder{nullptr};
  bool overstayed = false;  // used by the holder only
};

class held_place {
 public:
  explicit held_place(timer_wheel& any) noexcept : apart_(any) {}

  // --- for the worker itself ---

  // Null in a spare.
  place* at() const noexcept { return place_; }
  timer_wheel& timers() const noexcept { return *place_->timers; }
  // Whether the place is closed, so that a fiber that gives way and may run elsewhere should leave.
  bool closes() const noexcept { return place_->closing.load(std::memory_order_relaxed); }

  void take(worker& self, place& at) noexcept {
    place_ = &at;
    at.holder.store(&self, std::memory_order_release);  // (U)
    wheel_.store(at.timers, std::memory_order_relaxed);
  }
  place& leave() noexcept { return *std::exchange(place_, nullptr); }

  // The running fiber is about to block.
  void offer() noexcept { offer_.store(offered, std::memory_order_release); }  // (H1)
  // Its call has returned. False: a spare has the place.
  bool take_back() noexcept;

  // For a worker that retires (retire.cpp): moves to a place of its own, which is closed and
  // overstayed in for good, and returns the one it left. `timed_by` is the place whose holder fires
  // the timers that are armed here from now on.
  place& move_apart(const place& timed_by) noexcept;
  const place& timed_by() const noexcept { return *timed_by_; }
  // Whether timers were armed here since the last call, so that the holder must be told.
  bool armed_timers() noexcept {
    const std::uint32_t arms = timers().arms();
    return std::exchange(told_arms_, arms) != arms;
  }

  place* beside = nullptr;  // the extra place that was opened beside this worker

  // --- for the worker that comes in its stead ---

  // False: the call of `held` returned first. True: end_taking() follows, once the queue is taken
  // as well.
  bool begin_taking(worker& self, held_place& held) noexcept;
  void end_taking(held_place& held) noexcept;

  // --- from other workers ---

  bool blocks() const noexcept { return offer_.load(std::memory_order_relaxed) != kept; }
  // The wheel of the last place it held; as old as the scheduler. relaxed: a hint.
  timer_wheel* last_timers() const noexcept { return wheel_.load(std::memory_order_relaxed); }

  // What a spare was taken for: to stand in for `held`, to hold `extra`, or to run the call of
  // `carried`; nothing: back to sleep. Written by the sender before it wakes the spare (K1).
  struct errand {
    worker* held = nullptr;
    place* extra = nullptr;
    fiber* carried = nullptr;
    bool any() const noexcept { return held != nullptr || extra != nullptr || carried != nullptr; }
  };
  errand next_errand;

 private:
  place* place_ = nullptr;
  // The owner of the queue while the running fiber blocks: the table in spares.hpp. acq_rel: the
  // next owner sees all that the last one wrote into the queue.
  enum : std::uint32_t { kept, offered, moving, moved };
  std::atomic<std::uint32_t> offer_{kept};
  std::atomic<timer_wheel*> wheel_{nullptr};

  // For a retired worker: the place that it is in, which no other worker ever holds; the place
  // where it armed timers; and the number of timers armed there when it last told the holder.
  place apart_;
  const place* timed_by_ = nullptr;
  std::uint32_t told_arms_ = 0;
};

}  // namespace hilo::sched
