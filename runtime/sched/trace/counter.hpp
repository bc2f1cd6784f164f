// Counts that one thread makes and any thread reads (hilo/metrics.hpp). The owner adds by a load
// and a store: no other thread writes. All are relaxed, because a count publishes nothing.
#pragma once

#include <atomic>
#include <cstdint>

namespace hilo::sched {

class counter {
 public:
  // For the owner.
  void add(std::uint64_t more = 1) noexcept {
    value_.store(value_.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
  }
  std::uint64_t read() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

// The time that the owner has spent asleep, in ns. While it sleeps, one word holds the sum minus
// the begin of this sleep. The sum is smaller than any time of the clock, so that word is negative.
// A reader adds its own time then, and needs no second word that could be of another moment.
class idle_clock {
 public:
  // For the owner. It may end a sleep that it did not begin; that changes nothing.
  void begin(std::int64_t now) noexcept {
    value_.store(value_.load(std::memory_order_relaxed) - now, std::memory_order_relaxed);
  }
  void end(std::int64_t now) noexcept {
    const std::int64_t value = value_.load(std::memory_order_relaxed);
    if (value < 0) value_.store(value + now, std::memory_order_relaxed);
  }
  std::int64_t read(std::int64_t now) const noexcept {
    const std::int64_t value = value_.load(std::memory_order_relaxed);
    return value < 0 ? value + now : value;
  }

 private:
  std::atomic<std::int64_t> value_{0};
};

}  // namespace hilo::sched
