// Many readers or one writer, among kernel threads, in 8 bytes.
//
//   hilo::kernel::shared_mutex guard;
//   { const std::shared_lock reading(guard); use(table); }
//   { const std::scoped_lock writing(guard); change(table); }
//
// SharedTimedLockable in the words of C++20 ([thread.sharedtimedmutex]). A waiting writer keeps new
// readers out, so neither side starves. For this reason a thread must not take it shared twice.
// Puts the whole thread to sleep. Must not be destroyed before the last unlock has returned.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "hilo/detail/api.hpp"
#include "hilo/detail/kernel_wait.hpp"

namespace hilo::kernel {

class shared_mutex {
 public:
  constexpr shared_mutex() noexcept = default;
  shared_mutex(const shared_mutex&) = delete;
  shared_mutex& operator=(const shared_mutex&) = delete;

  // Takes it for writing. Sleeps: while any thread holds it.
  void lock() noexcept {
    if (!try_lock()) [[unlikely]]
      lock_slow(nullptr);
  }
  [[nodiscard]] bool try_lock() noexcept {
    std::uint32_t seen = 0;
    // (S1) acquire: pairs with (S3) and (S4)
    return state_.compare_exchange_strong(seen, writing, std::memory_order_acquire,
                                          std::memory_order_relaxed);
  }
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
  // Callable from: the thread that holds it for writing; else it aborts.
  void unlock() noexcept {
    std::uint32_t seen = writing;
    // (S3) release: publishes the critical section
    if (!state_.compare_exchange_strong(seen, 0, std::memory_order_release,
                                        std::memory_order_relaxed)) [[unlikely]] {
      unlock_slow();
    }
  }

  // Takes it for reading. Sleeps: while a writer holds it or waits for it.
  void lock_shared() noexcept {
    if (!try_lock_shared()) [[unlikely]]
      lock_shared_slow(nullptr);
  }
  [[nodiscard]] bool try_lock_shared() noexcept {
    std::uint32_t seen = state_.load(std::memory_order_relaxed);
    while (may_read(seen)) {
      // (S2) acquire: pairs with (S3)
      if (state_.compare_exchange_weak(seen, seen + one_reader, std::memory_order_acquire,
                                       std::memory_order_relaxed)) {
        return true;
      }
    }
    return false;
  }
  template <class Rep, class Period>
  [[nodiscard]] bool try_lock_shared_for(const std::chrono::duration<Rep, Period>& patience) {
    return try_lock_shared() || try_lock_shared_until(detail::kernel_time_after(patience));
  }
  template <class Clock, class Duration>
  [[nodiscard]] bool try_lock_shared_until(const std::chrono::time_point<Clock, Duration>& until) {
    return try_lock_shared() ||
           detail::attempt_until(until, [this](detail::kernel_deadline deadline) {
             return lock_shared_slow(&deadline);
           });
  }
  // Callable from: a thread that holds it for reading; without any reader it aborts.
  void unlock_shared() noexcept {
    // (S4) release: a writer sees that this reader is done
    const std::uint32_t was = state_.fetch_sub(one_reader, std::memory_order_release);
    if ((was & readers) == one_reader ? (was & waiting) != 0 : (was & readers) - 1 >= most_readers)
        [[unlikely]] {
      unlock_shared_slow(was);
    }
  }

 private:
  //   bits 0–29  readers that hold it; all ones: a writer holds it
  //   bit 30     readers sleep, or did
  //   bit 31     writers sleep, or did
  static constexpr std::uint32_t readers = (std::uint32_t{1} << 30) - 1;
  static constexpr std::uint32_t writing = readers;
  static constexpr std::uint32_t most_readers = readers - 1;
  static constexpr std::uint32_t one_reader = 1;
  static constexpr std::uint32_t readers_wait = std::uint32_t{1} << 30;
  static constexpr std::uint32_t writers_wait = std::uint32_t{1} << 31;
  static constexpr std::uint32_t waiting = readers_wait | writers_wait;

  static bool may_read(std::uint32_t state) noexcept { return state < most_readers; }

  HILO_API bool lock_slow(const detail::kernel_deadline* deadline) noexcept;
  HILO_API bool lock_shared_slow(const detail::kernel_deadline* deadline) noexcept;
  HILO_API void unlock_slow() noexcept;
  HILO_API void unlock_shared_slow(std::uint32_t was) noexcept;
  void wake_waiting(std::uint32_t state) noexcept;
  bool wake_writer() noexcept;
  void give_up_writing() noexcept;

  detail::kernel_word state_{0};         // readers sleep on it
  detail::kernel_word writer_turns_{0};  // counts wakes of writers; writers sleep on it
};
static_assert(sizeof(shared_mutex) == 8);

}  // namespace hilo::kernel
