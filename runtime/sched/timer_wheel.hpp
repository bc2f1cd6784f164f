// Timers of one worker: a hierarchical wheel (Varghese and Lauck, SOSP 1987, scheme 7), so arming
// and cancelling are O(1) for any number of timers.
//
// Six levels of 64 slots; a slot of level n spans 64^n ticks of 32.8 us. A timer goes to the level
// of the highest digit (base 64) in which its expiry differs from now, and moves down when that
// slot comes up. Expiries round up to a tick: a timer is never early and less than a tick late by
// this.
//
// Memory. A timer lies in a stack that nobody looked at while its owner slept: to touch it costs a
// page walk and some lines from memory, 0.4 us (measured, 10,000 sleepers), and a list linked
// through timers pays that at every step, one after the other. So what the wheel links and moves
// are entries of its own, which lie close together; of the timers themselves only those that fire
// are touched, all of them being fetched before the first is looked at.
//
// Firing and cancelling. A timer lies in its owner's frame, which must not go while somebody fires
// it, and a wake ends the owner's wait. So firing is in three steps: under the wheel's lock the
// timer is unlinked and marked firing; without it, claim() decides whether this wake wins (for a
// timed wait, under the lock of the primitive); then the timer is marked done, and only then the
// waiter woken. cancel() returns when the timer is unlinked or done: after it, nobody touches the
// timer.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "hilo/detail/spin_lock.hpp"
#include "hilo/detail/waiter.hpp"

namespace hilo::sched {

class timer_wheel;
struct timer;

// What a wheel keeps of an armed timer. Guarded by the wheel's lock.
struct timer_entry {
  timer* who = nullptr;
  std::uint64_t expiry = 0;  // in ticks
  timer_entry* next = nullptr;
  timer_entry** previous = nullptr;  // what points here
};

struct timer {
  // Returns the waiter to wake if the timer won, else null; runs without the wheel's lock.
  using claim_function = detail::waiter* (*)(timer& self) noexcept;

  timer(claim_function how, detail::waiter* whose_wait) noexcept : claim(how), whose(whose_wait) {}
  timer(const timer&) = delete;
  timer& operator=(const timer&) = delete;

  enum state : std::uint8_t {
    idle,    // in no wheel
    armed,   // linked; guarded by the wheel's lock
    firing,  // unlinked; the firing worker may still look at it
    done,    // fired; nobody looks at it any more
  };

  claim_function claim;
  detail::waiter* whose;
  timer_entry* entry = nullptr;  // while it is armed; guarded by the wheel's lock
  timer* next = nullptr;         // while it fires
  timer_wheel* wheel = nullptr;  // where it is armed
  // armed -> firing under the wheel's lock; firing -> done by the firing worker,
  // (M1) release: its last access; pairs with (M2) acquire in cancel().
  std::atomic<std::uint8_t> phase{idle};
  timer_entry spare;  // its entry where the wheel gets no memory for one
};

class timer_wheel {
 public:
  static constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();

  explicit timer_wheel(std::int64_t now_ns) noexcept : elapsed_(tick_at_or_before(now_ns)) {}
  timer_wheel(const timer_wheel&) = delete;
  timer_wheel& operator=(const timer_wheel&) = delete;

  // Links a timer that is idle or done. `when` is CLOCK_MONOTONIC in nanoseconds.
  void arm(timer& one, std::int64_t when_ns) noexcept;

  // True: the timer was armed and will not fire. False: it fired, or was not armed. Waits for a
  // claim() under way, so it must not be called with a lock held that claim() takes.
  bool cancel(timer& one) noexcept;

  // Fires all that are due. Returns how many waiters were woken.
  std::size_t advance(std::int64_t now_ns) noexcept;

  // Timers that are armed. relaxed: a hint.
  std::uint32_t size() const noexcept { return size_.load(std::memory_order_relaxed); }

  // A lower bound of the next expiry, in nanoseconds; never when there is none. Any thread; a hint
  // for all but the owner. relaxed: advance() looks again under the lock.
  std::int64_t next_ns() const noexcept { return next_ns_.load(std::memory_order_relaxed); }

 private:
  static constexpr unsigned tick_shift = 15;  // 32.8 us: a fifteenth of the lateness we promise
  static constexpr unsigned digit_bits = 6;
  static constexpr unsigned slots = 1U << digit_bits;
  static constexpr unsigned levels = 6;
  static constexpr std::uint64_t horizon = std::uint64_t{1} << (digit_bits * levels);  // 26 days

  static std::uint64_t tick_at_or_before(std::int64_t ns) noexcept {
    return static_cast<std::uint64_t>(ns) >> tick_shift;
  }
  static std::uint64_t tick_at_or_after(std::int64_t ns) noexcept;

  static constexpr std::size_t entries_in_block = 1024;  // 32 KiB

  timer_entry& take_entry(timer& whose) noexcept;
  void give_entry(timer_entry& one) noexcept;
  void link(timer_entry& one) noexcept;
  void unlink(timer_entry& one) noexcept;
  timer* collect_due(std::uint64_t now) noexcept;
  std::uint64_t next_tick() const noexcept;
  void update_next() noexcept;

  detail::spin_lock lock_;
  // All below guarded by lock_, but next_ns_ and size_, which are written under it.
  std::uint64_t elapsed_;  // all timers up to this tick have fired
  std::array<std::uint64_t, levels> occupied_{};
  std::array<std::array<timer_entry*, slots>, levels> slots_{};
  timer_entry* free_ = nullptr;                         // entries that no timer has, linked by next
  std::vector<std::unique_ptr<timer_entry[]>> blocks_;  // where entries lie, while the wheel lives
  std::atomic<std::int64_t> next_ns_{never};
  std::atomic<std::uint32_t> size_{0};
  void count(std::uint32_t change) noexcept {
    size_.store(size_.load(std::memory_order_relaxed) + change, std::memory_order_relaxed);
  }
};

}  // namespace hilo::sched
