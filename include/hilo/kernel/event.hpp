// An event: one thread sets it, any number of threads wait for it, and reset() clears it. 4 bytes.
//
//   hilo::kernel::event loaded;
//   hilo::thread user([&] { loaded.wait(); use(data); });
//   data = load();
//   loaded.set();
//
// Puts the whole thread to sleep. If reset() follows set() at once, it may come before the woken
// threads look at the event again; these threads go on waiting. A thread whose wait has returned
// may destroy the event.
#pragma once

#include <chrono>
#include <cstdint>

#include "hilo/detail/kernel_wait.hpp"

namespace hilo::kernel {

class event {
 public:
  constexpr event() noexcept = default;
  event(const event&) = delete;
  event& operator=(const event&) = delete;

  // Lets all waits return, now and until a reset.
  // Ordering: everything before set() happens before these waits return.
  void set() noexcept {
    // (E1) release: pairs with (E2)
    if (word_.exchange(happened, std::memory_order_release) == awaited) {
      detail::kernel_wake_all(&word_);
    }
  }
  // Makes it unset; no effect if it is not set.
  void reset() noexcept {
    std::uint32_t seen = happened;
    word_.compare_exchange_strong(seen, nothing, std::memory_order_acquire,
                                  std::memory_order_relaxed);
  }

  // (E2) acquire: pairs with (E1)
  [[nodiscard]] bool is_set() const noexcept {
    return word_.load(std::memory_order_acquire) == happened;
  }
  // Sleeps: until it is set.
  void wait() const noexcept { wait(nullptr); }
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
  static constexpr std::uint32_t nothing = 0, awaited = 1, happened = 2;

  bool wait(const detail::kernel_deadline* deadline) const noexcept {
    while (true) {
      std::uint32_t seen = nothing;
      // (E2) acquire: pairs with (E1)
      if (!word_.compare_exchange_strong(seen, awaited, std::memory_order_acquire,
                                         std::memory_order_acquire) &&
          seen == happened) {
        return true;
      }
      if (!detail::kernel_sleep(word_, awaited, deadline)) return is_set();
    }
  }

  mutable detail::kernel_word word_{nothing};
};
static_assert(sizeof(event) == 4);

}  // namespace hilo::kernel
