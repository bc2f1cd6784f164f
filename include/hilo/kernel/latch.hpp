// A count of things to wait for, once, in 4 bytes.
//
//   hilo::kernel::latch ready(2);
//   hilo::thread a([&] { prepare(); ready.count_down(); });
//   hilo::thread b([&] { prepare(); ready.count_down(); });
//   ready.wait();
//
// The members of std::latch (C++20 [thread.latch]), and waits with a deadline. Puts the whole
// thread to sleep. A thread whose wait has returned may destroy the latch.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "hilo/detail/kernel_wait.hpp"

namespace hilo::kernel {

class latch {
 public:
  [[nodiscard]] static constexpr std::ptrdiff_t max() noexcept { return most; }

  // Aborts if `count` is less than 0 or more than max().
  constexpr explicit latch(std::ptrdiff_t count) : word_(static_cast<std::uint32_t>(count)) {
    if (count < 0 || count > max()) {
      detail::kernel_misuse("a hilo::kernel::latch counts from less than 0 or more than max()");
    }
  }
  latch(const latch&) = delete;
  latch& operator=(const latch&) = delete;

  // Counts down, and wakes all waiters at 0; counting below 0 aborts.
  // Ordering: everything before count_down() happens before the waits return.
  void count_down(std::ptrdiff_t by = 1) {
    std::uint32_t seen = word_.load(std::memory_order_relaxed);
    do {
      if (by < 0 || by > static_cast<std::ptrdiff_t>(seen & most)) {
        detail::kernel_misuse("a hilo::kernel::latch is counted down below 0");
      }
      // (K1) acq_rel: release publishes to (K2); acquire keeps earlier countdowns in the chain
    } while (!word_.compare_exchange_weak(seen, seen - static_cast<std::uint32_t>(by),
                                          std::memory_order_acq_rel, std::memory_order_relaxed));
    const auto left = (seen & most) - static_cast<std::uint32_t>(by);
    if (left == 0 && (seen & sleepers) != 0) detail::kernel_wake_all(&word_);
  }

  // (K2) acquire: pairs with (K1)
  [[nodiscard]] bool try_wait() const noexcept {
    return (word_.load(std::memory_order_acquire) & most) == 0;
  }
  // Sleeps: until the count is 0.
  void wait() const { wait(nullptr); }
  void arrive_and_wait(std::ptrdiff_t by = 1) {
    count_down(by);
    wait();
  }
  // False if the time passes first.
  template <class Rep, class Period>
  [[nodiscard]] bool wait_for(const std::chrono::duration<Rep, Period>& patience) const {
    return wait_until(detail::kernel_time_after(patience));
  }
  template <class Clock, class Duration>
  [[nodiscard]] bool wait_until(const std::chrono::time_point<Clock, Duration>& until) const {
    return detail::attempt_until(
        until, [this](detail::kernel_deadline deadline) { return wait(&deadline); });
  }

 private:
  // Bits 0–30: the count. Bit 31: a thread may sleep.
  static constexpr std::uint32_t sleepers = std::uint32_t{1} << 31, most = sleepers - 1;

  bool wait(const detail::kernel_deadline* deadline) const noexcept {
    while (true) {
      std::uint32_t seen = word_.load(std::memory_order_acquire);  // (K2)
      if ((seen & most) == 0) return true;
      if ((seen & sleepers) == 0 &&
          !word_.compare_exchange_strong(seen, seen | sleepers, std::memory_order_relaxed,
                                         std::memory_order_relaxed)) {
        continue;
      }
      if (!detail::kernel_sleep(word_, seen | sleepers, deadline)) return try_wait();
    }
  }

  mutable detail::kernel_word word_;
};
static_assert(sizeof(latch) == 4);

}  // namespace hilo::kernel
