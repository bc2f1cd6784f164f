// Counting permits among kernel threads, in 4 bytes.
//
//   hilo::kernel::counting_semaphore<> slots(4);
//   slots.acquire();   // the fifth waits
//   slots.release();
//
// The members of std::counting_semaphore (C++20 [thread.sema]). Puts the whole thread to sleep.
// release touches nothing after it has added the permits, so the thread that gets the last permit
// may destroy the semaphore.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "hilo/detail/api.hpp"
#include "hilo/detail/kernel_wait.hpp"

namespace hilo::detail {

class kernel_semaphore {
 public:
  static constexpr std::uint32_t most = (std::uint32_t{1} << 31) - 1;

  constexpr explicit kernel_semaphore(std::uint32_t count) noexcept : word_(count) {}
  kernel_semaphore(const kernel_semaphore&) = delete;
  kernel_semaphore& operator=(const kernel_semaphore&) = delete;

  bool try_acquire() noexcept {
    std::uint32_t seen = word_.load(std::memory_order_relaxed);
    while ((seen & most) != 0) {
      // (P1) acquire: pairs with (P2)
      if (word_.compare_exchange_weak(seen, seen - 1, std::memory_order_acquire,
                                      std::memory_order_relaxed)) {
        return true;
      }
    }
    return false;
  }
  HILO_API bool acquire_slow(const kernel_deadline* deadline) noexcept;
  HILO_API void release(std::ptrdiff_t permits, std::uint32_t limit) noexcept;

 private:
  // Bits 0–30: permits. Bit 31: a thread may sleep.
  static constexpr std::uint32_t sleepers = std::uint32_t{1} << 31;

  kernel_word word_;
};

}  // namespace hilo::detail

namespace hilo::kernel {

template <std::ptrdiff_t least_max = detail::kernel_semaphore::most>
class counting_semaphore {
  static_assert(least_max >= 0 && least_max <= detail::kernel_semaphore::most,
                "a hilo::kernel::counting_semaphore counts to 2^31 - 1");

 public:
  [[nodiscard]] static constexpr std::ptrdiff_t max() noexcept { return least_max; }

  // Aborts if `permits` is less than 0 or more than max().
  constexpr explicit counting_semaphore(std::ptrdiff_t permits)
      : core_(static_cast<std::uint32_t>(permits)) {
    if (permits < 0 || permits > least_max) {
      detail::kernel_misuse(
          "a hilo::kernel::counting_semaphore starts with less than 0 or more than max() permits");
    }
  }

  // Adds permits and wakes as many threads; a total of more than max() aborts.
  // Ordering: everything before release happens before the acquires that get these permits return.
  void release(std::ptrdiff_t permits = 1) {
    core_.release(permits, static_cast<std::uint32_t>(least_max));
  }

  // Takes a permit. Sleeps: while there is no permit.
  void acquire() {
    if (!core_.try_acquire()) core_.acquire_slow(nullptr);
  }
  [[nodiscard]] bool try_acquire() noexcept { return core_.try_acquire(); }
  template <class Rep, class Period>
  [[nodiscard]] bool try_acquire_for(const std::chrono::duration<Rep, Period>& patience) {
    return core_.try_acquire() || try_acquire_until(detail::kernel_time_after(patience));
  }
  template <class Clock, class Duration>
  [[nodiscard]] bool try_acquire_until(const std::chrono::time_point<Clock, Duration>& until) {
    return core_.try_acquire() ||
           detail::attempt_until(until, [this](detail::kernel_deadline deadline) {
             return core_.acquire_slow(&deadline);
           });
  }

 private:
  detail::kernel_semaphore core_;
};

using binary_semaphore = counting_semaphore<1>;
static_assert(sizeof(binary_semaphore) == 4);

}  // namespace hilo::kernel
