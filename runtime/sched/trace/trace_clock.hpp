// The time of events: CLOCK_MONOTONIC, read as seldom as it can be.
//
// On x86-64 the kernel tells the time by the CPUs' time stamp counters if it found that they run at
// one steady rate. Then an event needs only the counter: its time is that of the last look at the
// clock, and the ticks since then. A look also finds out how long a tick is, from a look that was a
// millisecond or more before. Until then, and on other machines, each time is a look.
//
// How far the time is from the clock's: a look knows the counter to half of the ticks that it took,
// some 20 ns. The rate has twice that error over a millisecond, and is used for a tenth of one.
#pragma once

#include <algorithm>
#include <cstdint>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace hilo::sched {

class trace_clock {
 public:
  // Before the first time of a trace: the counter may have become another one, or the kernel may
  // have lost its trust in it. Opens and reads a file.
  void begin() noexcept;

  // Never less than before, on one worker.
  [[gnu::always_inline]] std::int64_t now() noexcept {
    const std::uint64_t since = counter() - looked_at_;
    if (since >= usable_) [[unlikely]]
      return look();
    // A look may have found that the time before it was told too late.
    return last_ =
               std::max(last_, seen_ + static_cast<std::int64_t>(since * tick_ >> fraction_bits));
  }
  // What the last call returned.
  std::int64_t last() const noexcept { return last_; }

 private:
  static constexpr int fraction_bits = 32;

  static std::uint64_t counter() noexcept {
#if defined(__x86_64__)
    return __rdtsc();
#else
    return 0;
#endif
  }

  std::int64_t look() noexcept;
  void measure_tick() noexcept;

  std::int64_t last_ = 0;
  std::int64_t seen_ = 0;        // the clock at the last look
  std::uint64_t looked_at_ = 0;  // the counter then
  std::uint64_t usable_ = 0;     // for so many ticks after it; 0: the tick is not known
  std::uint64_t tick_ = 0;       // ns, with fraction_bits
  std::int64_t from_ = 0;        // the look from which the tick is measured; 0: none
  std::uint64_t from_counter_ = 0;
  bool counts_ = false;  // the kernel trusts the counter
};

}  // namespace hilo::sched
