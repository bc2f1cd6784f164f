// Timers of one worker: a hierarchical wheel (Varghese and Lauck, SOSP 1987, scheme 7), so arming
// and cancelling are O(1) for any number of timers.
//
// Six levels of 64 slots; a slot of level n spans 64^n ticks of 32.8 us. A timer goes to the level
// of the highest digit (base 64) in which its expiry differs from now. It moves down when that slot
// comes up. Expiries round up to a tick. So a timer is never early, and this makes it less than a
// tick late.
//
// Memory. A timer lies in a stack that was not used while its owner slept. To touch it costs a page
// walk and some lines from memory, 0.4 us (measured, 10,000 sleepers). A list linked through timers
// would pay that at every step, one after the other. So a slot is a list of chunks. A chunk is an
// array of cells; a cell holds the data that the wheel needs of its timer, and where the timer's
// owner lies. A chunk is read in one go. All memory that its timers will need, up to the frames
// that their fibers return through, is prefetched before the first timer is touched. Cells move
// when a slot comes up, or to fill the gap of a cancelled cell. A move must not touch the timer, so
// the timer knows a handle, which knows the cell.
//
// Firing and cancelling. A timer lies in its owner's frame. This frame must not go while a thread
// fires the timer, and a wake ends the owner's wait. So firing has three steps. Under the wheel's
// lock the timer is unlinked and marked firing. Without the lock, claim() decides whether this wake
// wins (for a timed wait, under the lock of the primitive). Then the timer is marked done, and only
// then is the waiter woken; or the timer is armed again. cancel() returns when the timer is
// unlinked or done. After that, no thread touches the timer.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "hilo/detail/spin_lock.hpp"
#include "hilo/detail/waiter.hpp"

namespace hilo::sched {

class timer_wheel;
struct timer;

// The wheel's record of an armed timer. Like its handle, guarded by the wheel's lock.
struct timer_cell {
  timer* who;
  detail::waiter* whose;
  std::uint64_t expiry;  // in ticks
  union timer_handle* handle;
};

union timer_handle {
  timer_cell* cell;
  timer_handle* next_free;
};

// The result of a timer that fires.
struct fired {
  detail::waiter* winner = nullptr;  // the waiter to wake, if the timer won
  bool unsure = false;               // claim() must be called again, behind a heavy fence
  std::int64_t again = 0;            // when the timer must fire again; 0: not by itself
};

struct timer {
  // Runs without the wheel's lock.
  using claim_function = fired (*)(timer& self, std::int64_t now_ns, bool behind_fence) noexcept;

  timer(claim_function how, detail::waiter* whose_wait) noexcept : claim(how), whose(whose_wait) {}
  timer(const timer&) = delete;
  timer& operator=(const timer&) = delete;

  enum state : std::uint8_t {
    idle,    // in no wheel
    armed,   // linked; guarded by the wheel's lock
    firing,  // unlinked; the thread that fires it may still look at it
    done,    // fired; no thread looks at it any more
  };

  claim_function claim;
  detail::waiter* whose;
  timer_handle* handle = nullptr;  // while it is armed and has a cell; guarded by the wheel's lock
  timer* next = nullptr;           // while it fires, or stands apart
  std::uint64_t expiry = 0;        // while it stands apart, in ticks
  timer_wheel* wheel = nullptr;    // where it is armed
  // armed -> firing under the wheel's lock. firing -> done, or armed again, by the thread that
  // fires it, (M1) release: its last access; pairs with (M2) acquire.
  std::atomic<std::uint8_t> phase{idle};

  // Waits for the thread that fires it, if there is one. Returns the phase after that.
  std::uint8_t outlast_firing() const noexcept {
    const std::uint8_t seen = phase.load(std::memory_order_acquire);  // (M2)
    return seen == firing ? outlast_firing_slowly() : seen;
  }

 private:
  [[gnu::cold]] std::uint8_t outlast_firing_slowly() const noexcept;
};

class timer_wheel {
 public:
  static constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();

  // At most `most_blocks` blocks of memory. Timers that need more are slower, as when there is no
  // memory.
  explicit timer_wheel(std::int64_t now_ns, std::size_t most_blocks = ~std::size_t{0}) noexcept
      : elapsed_(tick_at_or_before(now_ns)), most_blocks_(most_blocks) {}
  timer_wheel(const timer_wheel&) = delete;
  timer_wheel& operator=(const timer_wheel&) = delete;

  // Links a timer that is idle or done. `when` is CLOCK_MONOTONIC in nanoseconds.
  void arm(timer& one, std::int64_t when_ns) noexcept;

  // True: the timer was armed and will not fire. False: it fired, or was not armed. Waits for a
  // claim() under way, so the caller must not hold a lock that claim() takes.
  bool cancel(timer& one) noexcept;

  // Fires all timers that are due. Returns how many waiters were woken.
  std::size_t advance(std::int64_t now_ns) noexcept;

  // The number of armed timers. relaxed: a hint.
  std::uint32_t size() const noexcept { return size_.load(std::memory_order_relaxed); }

  // How often owners armed a timer, modulo 2^32. relaxed: for a thread that armed some itself.
  std::uint32_t arms() const noexcept { return arms_.load(std::memory_order_relaxed); }

  // A lower bound of the next expiry, in nanoseconds; never if there is none. Any thread; a hint
  // for all threads except the owner. relaxed: advance() looks again under the lock.
  std::int64_t next_ns() const noexcept { return next_ns_.load(std::memory_order_relaxed); }

 private:
  static constexpr unsigned tick_shift = 15;  // 32.8 us: a fifteenth of the lateness we promise
  static constexpr unsigned digit_bits = 6;
  static constexpr unsigned slots = 1U << digit_bits;
  static constexpr unsigned levels = 6;
  static constexpr std::uint64_t no_tick = std::numeric_limits<std::uint64_t>::max();
  static constexpr std::uint64_t horizon = std::uint64_t{1} << (digit_bits * levels);  // 26 days

  static std::uint64_t tick_at_or_before(std::int64_t ns) noexcept {
    return static_cast<std::uint64_t>(ns) >> tick_shift;
  }
  static std::uint64_t tick_at_or_after(std::int64_t ns) noexcept;

  // Aligned to its size, so that a cell leads to its chunk.
  static constexpr std::size_t cells_in_chunk = 15;
  struct alignas(512) chunk {
    chunk* next;
    std::uint32_t count;
    std::uint32_t slot;  // its number, over all levels
    timer_cell cells[cells_in_chunk];
  };
  static_assert(sizeof(chunk) == alignof(chunk));
  static constexpr std::size_t chunks_in_block = 32;
  static constexpr std::size_t handles_in_block = 1024;

  chunk* take_chunk() noexcept;
  timer_handle* take_handle() noexcept;
  void give(chunk& one) noexcept { one.next = std::exchange(free_chunk_, &one); }
  void give(timer_handle& one) noexcept { one.next_free = std::exchange(free_handle_, &one); }
  void place(timer& one, std::uint64_t expiry) noexcept;
  bool link(const timer_cell& one) noexcept;
  void unlink(timer_cell& one) noexcept;
  void set_apart(timer& one, std::uint64_t expiry) noexcept;
  void take_back(timer& one) noexcept;
  timer** look_apart(std::uint64_t now, timer** last) noexcept;
  void begin_firing(timer& one, timer**& last) noexcept;
  bool finish_firing(timer& one, const fired& what) noexcept;
  timer* collect_due(std::uint64_t now) noexcept;
  std::uint64_t next_tick() const noexcept;
  void update_next() noexcept;

  detail::spin_lock lock_;
  // All fields below are guarded by lock_, except next_ns_, size_ and arms_, which are written
  // under it.
  std::uint64_t elapsed_;  // all timers up to this tick have fired
  std::array<std::uint64_t, levels> occupied_{};
  std::array<chunk*, levels * slots> slots_{};  // the first of each has room, the others are full
  chunk* free_chunk_ = nullptr;
  timer_handle* free_handle_ = nullptr;
  // The memory of chunks and handles, while the wheel lives.
  std::vector<std::unique_ptr<chunk[]>> chunks_;
  std::vector<std::unique_ptr<timer_handle[]>> handles_;
  const std::size_t most_blocks_;
  // Timers for which there was no memory, linked by next, in no order; and a tick: no such timer is
  // due before it.
  timer* apart_ = nullptr;
  std::uint64_t apart_due_ = no_tick;
  std::atomic<std::int64_t> next_ns_{never};
  std::atomic<std::uint32_t> size_{0};
  std::atomic<std::uint32_t> arms_{0};
  void count(std::uint32_t change) noexcept {
    size_.store(size_.load(std::memory_order_relaxed) + change, std::memory_order_relaxed);
  }
};

}  // namespace hilo::sched
