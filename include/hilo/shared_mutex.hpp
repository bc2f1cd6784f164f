// Many readers or one writer, between fibers, kernel threads, or both. SharedTimedMutex (C++20
// [thread.sharedtimedmutex.requirements]), so std::shared_lock and std::unique_lock work with it.
// For data that is read far more often than written, in critical sections of more than a few
// hundred nanoseconds; otherwise a mutex is faster.
//
//   hilo::shared_mutex guard;
//   { std::shared_lock lock(guard); read(); }
//   { std::scoped_lock lock(guard); write(); }
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "hilo/detail/api.hpp"
#include "hilo/detail/deadline.hpp"
#include "hilo/detail/decision.hpp"
#include "hilo/detail/waiter.hpp"

namespace hilo {

// Fair: waiters get it in order of arrival; readers that stand next to each other get it together.
// So a waiting writer stops new readers, and a reader that takes it twice can deadlock if a writer
// comes in between.
class shared_mutex {
 public:
  constexpr shared_mutex() noexcept = default;
  // Errors: destroying a mutex that is held or waited for aborts.
  HILO_API ~shared_mutex();
  shared_mutex(const shared_mutex&) = delete;
  shared_mutex& operator=(const shared_mutex&) = delete;

  // Takes it for writing. Parks: while any reader or writer holds it; no stop request and no limit
  // ends this wait. Callable from: any fiber or thread. Errors: aborts if the caller holds it for
  // writing already; a caller that holds it for reading waits for itself. Ordering: everything that
  // earlier holders did happens before lock returns.
  void lock() noexcept {
    if (!attempt()) [[unlikely]]
      (void)lock_slow(detail::until_woken);
  }
  // Never parks; a false answer counts (docs/fibers.md).
  [[nodiscard]] bool try_lock() noexcept {
    if (attempt()) return true;
    detail::count_eager();
    return false;
  }
  // True if it was taken; false if the time, a stop request or a limit came first. Parks: as lock.
  template <class R, class P>
  [[nodiscard]] bool try_lock_for(std::chrono::duration<R, P> patience) noexcept {
    return attempt() || lock_slow(detail::deadline_after(patience));
  }
  template <class C, class D>
  [[nodiscard]] bool try_lock_until(std::chrono::time_point<C, D> when) noexcept {
    return detail::wait_until_time(
        when, [&](std::int64_t deadline) { return attempt() || lock_slow(deadline); });
  }
  // Releases it after writing. Never parks. Callable from: the fiber or thread that holds it.
  // Errors: aborts if it is not held for writing, or if another holds it.
  void unlock() noexcept {
    if (writer_.load(std::memory_order_relaxed) != detail::current_holder()) [[unlikely]]
      refuse_unlock();
    writer_.store(nullptr, std::memory_order_relaxed);
    std::uint32_t expected = writer;
    // (V2) release: publishes the critical section.
    if (!state_.compare_exchange_strong(expected, 0, std::memory_order_release,
                                        std::memory_order_relaxed)) [[unlikely]] {
      unlock_slow();
    }
    detail::decision_point();
  }

  // Takes it for reading. Parks: while a writer holds it or waits. Otherwise as lock. Errors:
  // aborts if the caller holds it for writing.
  void lock_shared() noexcept {
    if (!attempt_shared()) [[unlikely]]
      (void)lock_shared_slow(detail::until_woken);
  }
  // As try_lock.
  [[nodiscard]] bool try_lock_shared() noexcept {
    if (attempt_shared()) return true;
    detail::count_eager();
    return false;
  }
  // As try_lock_for. Parks: as lock_shared.
  template <class R, class P>
  [[nodiscard]] bool try_lock_shared_for(std::chrono::duration<R, P> patience) noexcept {
    return attempt_shared() || lock_shared_slow(detail::deadline_after(patience));
  }
  template <class C, class D>
  [[nodiscard]] bool try_lock_shared_until(std::chrono::time_point<C, D> when) noexcept {
    return detail::wait_until_time(when, [&](std::int64_t deadline) {
      return attempt_shared() || lock_shared_slow(deadline);
    });
  }
  // Releases it after reading. Never parks. Errors: aborts if no reader holds it.
  void unlock_shared() noexcept {
    std::uint32_t seen = state_.load(std::memory_order_relaxed);
    while ((seen & waiting) == 0 && seen >= reader) {
      // (V4) release: what the readers read happens before the next writer.
      if (state_.compare_exchange_weak(seen, seen - reader, std::memory_order_release,
                                       std::memory_order_relaxed)) {
        return detail::decision_point();
      }
    }
    unlock_shared_slow();
  }

 private:
  // state_: bit 0: a writer holds it | bit 1: a caller waits | bits 2-31: number of readers
  // `waiting` is changed under queue_lock_ only. It is set exactly while waiters_ is not empty,
  // except while a waiter is just being queued. While it is set, only grant() makes new holders.
  static constexpr std::uint32_t writer = 1, waiting = 2, reader = 4;

  bool attempt() noexcept {
    detail::decision_point();
    std::uint32_t expected = 0;
    // (V1) acquire: pairs with (V2) and (V4).
    if (!state_.compare_exchange_strong(expected, writer, std::memory_order_acquire,
                                        std::memory_order_relaxed)) {
      return false;
    }
    writer_.store(detail::current_holder(), std::memory_order_relaxed);
    return true;
  }
  bool attempt_shared() noexcept {
    detail::decision_point();
    std::uint32_t seen = state_.load(std::memory_order_relaxed);
    while ((seen & (writer | waiting)) == 0) {
      // (V3) acquire: pairs with (V2).
      if (state_.compare_exchange_weak(seen, seen + reader, std::memory_order_acquire,
                                       std::memory_order_relaxed)) {
        return true;
      }
    }
    return false;
  }
  HILO_API bool lock_slow(std::int64_t deadline) noexcept;
  HILO_API bool lock_shared_slow(std::int64_t deadline) noexcept;
  HILO_API void unlock_slow() noexcept;
  HILO_API void unlock_shared_slow() noexcept;
  [[noreturn, gnu::cold]] HILO_API void refuse_unlock() noexcept;
  void refuse_own(std::int64_t deadline, const char* call) noexcept;
  bool wait_turn(const char* how, std::int64_t deadline) noexcept;
  detail::wait_node* grant() noexcept;

  std::atomic<std::uint32_t> state_{0};
  // The holder that writes (detail::holder_of); null if none does. Written by the holder, or by the
  // caller that hands it over. relaxed: it equals a caller only if that caller is the holder.
  std::atomic<const void*> writer_{nullptr};
  detail::sync_lock queue_lock_;
  detail::wait_list waiters_;  // guarded by queue_lock_; slot: the word that says how it waits
};

}  // namespace hilo
