// Mutual exclusion between kernel threads, in 4 bytes.
//
// hilo::kernel::mutex is for programs of kernel threads, and hilo uses it internally. It puts the
// whole thread to sleep. In a fiber use hilo::mutex, which parks only the fiber, so its carrier
// runs others.
//
//   hilo::kernel::mutex guard;
//   int shared = 0;
//   hilo::thread other([&] { const std::scoped_lock lock(guard); ++shared; });
//
// TimedLockable (C++20 [thread.req.lockable]): std::scoped_lock and std::unique_lock work with it.
// Not recursive, not robust, not fair: a woken thread gets the mutex only if no other thread has
// taken it meanwhile. Not for signal handlers. It can be constinit and needs no destruction. A
// child that was cloned with callers_block counts as the caller's thread: the two must not use the
// same mutex.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "hilo/detail/api.hpp"
#include "hilo/detail/kernel_wait.hpp"
#include "hilo/detail/thread_number.hpp"

namespace hilo::kernel {

class mutex {
 public:
  constexpr mutex() noexcept = default;
  mutex(const mutex&) = delete;
  mutex& operator=(const mutex&) = delete;

  // Takes the mutex. Sleeps: while another thread holds it. Errors: aborts if the calling thread
  // holds it already. Ordering: everything that the last holder did happens before lock returns.
  void lock() noexcept {
    if (!try_lock()) [[unlikely]]
      lock_slow(nullptr);
  }

  // Takes the mutex if it is free; true if so. Ordering: as lock, when true.
  [[nodiscard]] bool try_lock() noexcept { return take(detail::thread_number()); }

  // Takes the mutex unless the time passes first; true if it did. A thread that already holds it
  // gets false when the time is over; if the time never comes, it aborts.
  template <class Rep, class Period>
  [[nodiscard]] bool try_lock_for(const std::chrono::duration<Rep, Period>& patience) {
    return try_lock() || try_lock_until(detail::kernel_time_after(patience));
  }
  template <class Clock, class Duration>
  [[nodiscard]] bool try_lock_until(const std::chrono::time_point<Clock, Duration>& until) {
    return try_lock() || detail::attempt_until(until, [this](detail::kernel_deadline deadline) {
             return lock_slow(&deadline);
           });
  }

  // Releases the mutex. Callable from: the thread that holds it. Errors: releasing a mutex that is
  // free, or that another thread holds, aborts. unlock does not touch the mutex after the release,
  // so the next holder may destroy it.
  void unlock() noexcept {
    const std::uint32_t me = detail::known_thread_number();
    // (M3) release: publishes the critical section to (M1) and (M2)
    const std::uint32_t was = word_.exchange(open, std::memory_order_release);
    if (was != me) [[unlikely]]
      unlock_slow(was, me);
  }

 private:
  // The word is 0 or the holder's number, with the bit `contended` while a thread may sleep, so
  // that unlock must wake.
  static constexpr std::uint32_t open = 0, contended = 0x8000'0000;

  bool take(std::uint32_t as) noexcept {
    std::uint32_t seen = open;
    // (M1) acquire: pairs with (M3)
    return word_.compare_exchange_strong(seen, as, std::memory_order_acquire,
                                         std::memory_order_relaxed);
  }

  HILO_API bool lock_slow(const detail::kernel_deadline* deadline) noexcept;
  HILO_API void unlock_slow(std::uint32_t was, std::uint32_t me) noexcept;

  detail::kernel_word word_{open};
};
static_assert(sizeof(mutex) == 4);

}  // namespace hilo::kernel
