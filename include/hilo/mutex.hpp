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

  // Takes the mutex. Waiters get it in the order in which they began to wait. A caller that comes
  // while the first of them is being woken may take the mutex before it; that waiter keeps its
  // place, and the next unlock hands the mutex over to it.
  // Parks: while another holds it; no stop request and no limit ends this wait, because on return
  // the caller is the holder. Callable from: any fiber or thread. Errors: aborts if the caller
  // holds the mutex already. Ordering: everything that the last holder did happens before lock
  // returns.
  void lock() noexcept {
    if (!attempt()) [[unlikely]]
      (void)lock_slow(detail::until_woken);
  }

  // Takes the mutex if it is free; true if so. Never parks; a false answer counts, and may let
  // other fibers run (docs/fibers.md). Ordering: as lock, when true.
  [[nodiscard]] bool try_lock() noexcept {
    if (attempt()) return true;
    detail::count_eager();
    return false;
  }

  // Takes the mutex; true if it did, false if the time, a stop request or a limit came first.
  // Otherwise as lock, except that a caller that already holds the mutex gets false when the time
  // is over.
  template <class R, class P>
  [[nodiscard]] bool try_lock_for(std::chrono::duration<R, P> patience) noexcept {
    return attempt() || lock_slow(detail::deadline_after(patience));
  }
  template <class C, class D>
  [[nodiscard]] bool try_lock_until(std::chrono::time_point<C, D> when) noexcept {
    return detail::wait_until_time(
        when, [&](std::int64_t deadline) { return attempt() || lock_slow(deadline); });
  }

  // Releases the mutex and wakes one waiter. Never parks. Callable from: the fiber or thread that
  // holds it. Errors: releasing a mutex that is free, or that another holds, aborts.
  void unlock() noexcept {
    const detail::carrier* const here = lock_.lock_here();
    const name me = name_on(here);
    if (holder_.load(std::memory_order_relaxed) != me) [[unlikely]]
      return unlock_slow(me);
    holder_.store(0, std::memory_order_relaxed);
    lock_.unlock(here);
  }

 private:
  friend class recursive_mutex;

  using name = std::uintptr_t;  // of a caller (detail::holder_on); even, and not 0
  static constexpr name awaited = 1;

  static name name_on(const detail::carrier* here) noexcept {
    return reinterpret_cast<name>(detail::holder_on(here));
  }

  bool attempt() noexcept {
    // relaxed: a hint that avoids the lock; the lock orders
    if (holder_.load(std::memory_order_relaxed) > awaited) {
      detail::decision_point();
      return false;
    }
    const detail::carrier* const here = lock_.lock_here();
    if (!take(name_on(here))) [[unlikely]] {
      lock_.unlock(here);
      return false;
    }
    // No other caller can use the lock before we unlock the mutex, so until then it stays ours.
    lock_.unlock_and_keep(here);
    return true;
  }
  // Under lock_.
  bool take(name me) noexcept {
    const name now = holder_.load(std::memory_order_relaxed);
    if (now > awaited) [[unlikely]]
      return false;
    holder_.store(me | now, std::memory_order_relaxed);
    return true;
  }
  // Under lock_, before a caller enters waiters_.
  void note_waiter() noexcept {
    holder_.store(holder_.load(std::memory_order_relaxed) | awaited, std::memory_order_relaxed);
  }
  HILO_API bool lock_slow(std::int64_t deadline) noexcept;
  bool take_woken(name me, std::int64_t deadline) noexcept;
  HILO_API void unlock_slow(name me) noexcept;

  detail::sync_lock lock_;
  // Written under lock_. The holder's name, or 0 if the mutex is free; and the bit `awaited`, which
  // is set while waiters_ has a node and may be set when it has none any more. So unlock looks at
  // one word to know that the caller is the holder and that no one waits.
  std::atomic<name> holder_{0};
  detail::wait_list waiters_;  // guarded by lock_
  bool waking_ = false;        // guarded by lock_: a woken waiter has not come back yet
};

// A mutex that its holder may take again, and must release as often as it took it. The holder is a
// fiber or a kernel thread: a fiber that moves to another carrier, or calls hilo::blocking, still
// holds it.
class recursive_mutex {
 public:
  constexpr recursive_mutex() noexcept = default;

  // As mutex::lock; returns at once if the caller holds it. Errors: aborts if the caller already
  // holds it 2^32 - 1 times.
  HILO_API void lock() noexcept;
  [[nodiscard]] HILO_API bool try_lock() noexcept;
  template <class R, class P>
  [[nodiscard]] bool try_lock_for(std::chrono::duration<R, P> patience) noexcept {
    return lock_until(detail::deadline_after(patience));
  }
  template <class C, class D>
  [[nodiscard]] bool try_lock_until(std::chrono::time_point<C, D> when) noexcept {
    return detail::wait_until_time(when,
                                   [&](std::int64_t deadline) { return lock_until(deadline); });
  }
  // As mutex::unlock. Errors: aborts if the caller does not hold it.
  HILO_API void unlock() noexcept;

 private:
  HILO_API bool lock_until(std::int64_t deadline) noexcept;
  bool enter_again() noexcept;
  bool attempt() noexcept;

  bool held_by_caller() const noexcept;

  mutex mutex_;
  std::uint32_t times_ = 0;  // written and read by the holder only
};

}  // namespace hilo
