// Mutual exclusion between fibers, kernel threads, or both. Both types are TimedLockable (C++20
// [thread.req.lockable.timed]), so std::scoped_lock and std::unique_lock work with them. Not for
// signal handlers.
//
//   hilo::mutex guard;
//   { std::scoped_lock lock(guard); ++shared; }
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>

#include "hilo/detail/api.hpp"
#include "hilo/detail/deadline.hpp"
#include "hilo/detail/decision.hpp"
#include "hilo/detail/waiter.hpp"

namespace hilo {

class mutex {
 public:
  constexpr mutex() noexcept = default;
  // May follow the last unlock at once, also while another thread is still inside it.
  // Errors: destroying a mutex that is held or waited for aborts.
  HILO_API ~mutex();
  mutex(const mutex&) = delete;
  mutex& operator=(const mutex&) = delete;

  // Takes the mutex. A fiber keeps its place: after it waited once in vain, the next unlock hands
  // the mutex over to it. Parks: while another holds it; no stop request and no limit ends this,
  // since the caller goes on as the holder. Callable from: any fiber or thread. Ordering: all that
  // the last holder did happens before lock returns.
  void lock() noexcept {
    if (!try_lock()) [[unlikely]]
      (void)lock_slow(detail::until_woken);
  }

  // Takes the mutex if it is free; true if so. Never parks. Ordering: as lock, when true.
  [[nodiscard]] bool try_lock() noexcept {
    // relaxed: a hint that saves the lock; the lock orders
    if (held_.load(std::memory_order_relaxed)) {
      detail::decision_point();
      return false;
    }
    lock_.lock();
    const bool taken = take();
    // Nobody can use the lock before we unlock the mutex, so until then it stays ours.
    taken ? lock_.unlock_and_keep() : lock_.unlock();
    return taken;
  }

  // Takes the mutex; true if it did, false when the time, a stop request or a limit came first.
  // Otherwise as lock.
  template <class R, class P>
  [[nodiscard]] bool try_lock_for(std::chrono::duration<R, P> patience) noexcept {
    return try_lock() || lock_slow(detail::deadline_after(patience));
  }
  template <class C, class D>
  [[nodiscard]] bool try_lock_until(std::chrono::time_point<C, D> when) noexcept {
    return try_lock() || lock_slow(detail::deadline_at(when));
  }

  // Gives the mutex up and wakes one that waits. Never parks. Callable from: the fiber or thread
  // that holds it; giving up a free mutex aborts.
  void unlock() noexcept {
    lock_.lock();
    if (!waiters_.empty() || !held_.load(std::memory_order_relaxed)) [[unlikely]]
      return unlock_slow();
    held_.store(false, std::memory_order_relaxed);
    lock_.unlock();
  }

 private:
  // Under lock_.
  bool take() noexcept {
    if (held_.load(std::memory_order_relaxed)) return false;
    held_.store(true, std::memory_order_relaxed);
    return true;
  }
  HILO_API bool lock_slow(std::int64_t deadline) noexcept;
  HILO_API void unlock_slow() noexcept;

  detail::sync_lock lock_;
  std::atomic<bool> held_{false};  // written under lock_
  detail::wait_list waiters_;      // guarded by lock_
};

// A mutex that its holder may take again, and must give up as often. The holder is a fiber or a
// kernel thread: a fiber that moves to another carrier still holds it.
class recursive_mutex {
 public:
  constexpr recursive_mutex() noexcept = default;

  // As mutex::lock; at once if the caller holds it. Errors: 2^32 - 1 times is the most, then it
  // aborts.
  HILO_API void lock() noexcept;
  [[nodiscard]] HILO_API bool try_lock() noexcept;
  template <class R, class P>
  [[nodiscard]] bool try_lock_for(std::chrono::duration<R, P> patience) noexcept {
    return lock_until(detail::deadline_after(patience));
  }
  template <class C, class D>
  [[nodiscard]] bool try_lock_until(std::chrono::time_point<C, D> when) noexcept {
    return lock_until(detail::deadline_at(when));
  }
  // As mutex::unlock. Errors: aborts when the caller does not hold it.
  HILO_API void unlock() noexcept;

 private:
  HILO_API bool lock_until(std::int64_t deadline) noexcept;
  bool enter_again() noexcept;

  mutex mutex_;
  // Written by the holder only. relaxed: others compare it with themselves, and it equals them only
  // if they wrote it.
  std::atomic<const detail::waiter*> holder_{nullptr};
  std::uint32_t times_ = 0;  // the holder's
};

}  // namespace hilo
