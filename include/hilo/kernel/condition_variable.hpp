// Waits for a condition under a lock, in 4 bytes; the lock may be of any type with lock and unlock.
//
//   hilo::kernel::mutex guard;
//   hilo::kernel::condition_variable arrived;
//   std::unique_lock lock(guard);
//   arrived.wait(lock, [&] { return !mail.empty(); });
//
// The members of std::condition_variable_any (C++20 [thread.condition.condvarany]) without the stop
// tokens. A wait may end without a reason, so wait for a condition that the lock guards. If no
// thread waits, notifying costs one load. It may be destroyed once all waits have been notified.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "hilo/detail/api.hpp"
#include "hilo/detail/kernel_wait.hpp"

namespace hilo::kernel {

class condition_variable {
 public:
  constexpr condition_variable() noexcept = default;
  condition_variable(const condition_variable&) = delete;
  condition_variable& operator=(const condition_variable&) = delete;

  // Wakes one, or all, of the waits that began before this call. A wait has begun if it released
  // its lock before the caller took that lock, or before the caller's last unlock of it.
  void notify_one() noexcept {
    // relaxed: the lock orders, see condition_variable.cpp
    if ((word_.load(std::memory_order_relaxed) & sleepers) != 0) notify_one_slow();
  }
  void notify_all() noexcept {
    if ((word_.load(std::memory_order_relaxed) & sleepers) != 0) notify_all_slow();
  }

  // Releases the lock, sleeps until notified, takes the lock again.
  template <class Lock>
  void wait(Lock& lock) {
    const std::uint32_t ticket = enroll();
    const reversed<Lock> open(lock);
    detail::kernel_sleep(word_, ticket);
  }
  template <class Lock, class Condition>
  void wait(Lock& lock, Condition condition) {
    while (!condition()) wait(lock);
  }

  // The same, until a point in time at most. The form with a condition returns the condition's last
  // value.
  template <class Lock, class Clock, class Duration>
  std::cv_status wait_until(Lock& lock, const std::chrono::time_point<Clock, Duration>& until) {
    const detail::kernel_deadline deadline = detail::kernel_time_at(until);
    const std::uint32_t ticket = enroll();
    const reversed<Lock> open(lock);
    if (detail::kernel_sleep(word_, ticket, &deadline)) return std::cv_status::no_timeout;
    // Another clock may have been set back: then the wait ended without a reason.
    if constexpr (!std::is_same_v<Clock, detail::kernel_deadline::clock>) {
      if (detail::nanoseconds_until(until) > 0) return std::cv_status::no_timeout;
    }
    return std::cv_status::timeout;
  }
  template <class Lock, class Clock, class Duration, class Condition>
  bool wait_until(Lock& lock, const std::chrono::time_point<Clock, Duration>& until,
                  Condition condition) {
    while (!condition()) {
      if (wait_until(lock, until) == std::cv_status::timeout) return condition();
    }
    return true;
  }
  template <class Lock, class Rep, class Period>
  std::cv_status wait_for(Lock& lock, const std::chrono::duration<Rep, Period>& patience) {
    return wait_until(lock, detail::kernel_time_after(patience));
  }
  template <class Lock, class Rep, class Period, class Condition>
  bool wait_for(Lock& lock, const std::chrono::duration<Rep, Period>& patience,
                Condition condition) {
    return wait_until(lock, detail::kernel_time_after(patience), std::move(condition));
  }

 private:
  // Bit 0: a thread may sleep. The other bits count notifications.
  static constexpr std::uint32_t sleepers = 1, one_notification = 2;

  // Unlocks while the thread sleeps.
  template <class Lock>
  class reversed {
   public:
    explicit reversed(Lock& lock) : lock_(lock) { lock_.unlock(); }
    ~reversed() { lock_.lock(); }
    reversed(const reversed&) = delete;
    reversed& operator=(const reversed&) = delete;

   private:
    Lock& lock_;
  };

  std::uint32_t enroll() noexcept {
    // relaxed: the caller's unlock publishes it to a notifier that takes the lock later
    return word_.fetch_or(sleepers, std::memory_order_relaxed) | sleepers;
  }
  HILO_API void notify_one_slow() noexcept;
  HILO_API void notify_all_slow() noexcept;

  detail::kernel_word word_{0};
};
static_assert(sizeof(condition_variable) == 4);

}  // namespace hilo::kernel
