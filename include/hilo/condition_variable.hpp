// Waiting for a condition that others make true under a lock; between fibers, kernel threads, or
// both. Works with any BasicLockable, as std::condition_variable_any. For a queue use a channel.
//
//   std::unique_lock lock(guard);
//   ready.wait(lock, [&] { return !jobs.empty(); });
#pragma once

#include <chrono>
#include <utility>

#include "hilo/detail/api.hpp"
#include "hilo/detail/deadline.hpp"
#include "hilo/detail/spin_lock.hpp"
#include "hilo/detail/waiter.hpp"
#include "hilo/status.hpp"

namespace hilo {

class condition_variable {
 public:
  constexpr condition_variable() noexcept = default;
  // Must outlive the return of every wait_for and wait_until: their deadline may still be looking
  // at it; plain waits only have to have been notified. Errors: destroying one that is waited on
  // aborts.
  HILO_API ~condition_variable();
  condition_variable(const condition_variable&) = delete;
  condition_variable& operator=(const condition_variable&) = delete;

  // Wakes the one that waits longest, or all. Never parks. Callable from: anywhere, with the lock
  // held or not. A wait that begins after the call is not woken by it.
  HILO_API void notify_one() noexcept;
  HILO_API void notify_all() noexcept;

  // Releases the lock, waits for a notification, takes the lock again. Each notify_one ends exactly
  // one wait, and nothing but a notification ends this one.
  // Parks: until notified, and then for the lock. Callable from: any fiber or thread that holds it.
  template <class L>
  void wait(L& lock) {
    (void)wait_until_ns(lock, detail::no_deadline);
  }
  template <class L, class P>
  void wait(L& lock, P condition) {
    while (!condition()) wait(lock);
  }

  // The same until a time at most: ok or timed_out; the lock is held again in either case. With a
  // condition: what it says at the end.
  template <class L, class C, class D>
  status wait_until(L& lock, std::chrono::time_point<C, D> when) {
    return wait_until_ns(lock, detail::deadline_at(when));
  }
  template <class L, class R, class Q>
  status wait_for(L& lock, std::chrono::duration<R, Q> patience) {
    return wait_until_ns(lock, detail::deadline_after(patience));
  }
  template <class L, class C, class D, class P>
  bool wait_until(L& lock, std::chrono::time_point<C, D> when, P condition) {
    return wait_condition(lock, detail::deadline_at(when), std::move(condition));
  }
  template <class L, class R, class Q, class P>
  bool wait_for(L& lock, std::chrono::duration<R, Q> patience, P condition) {
    return wait_condition(lock, detail::deadline_after(patience), std::move(condition));
  }

 private:
  template <class L, class P>
  bool wait_condition(L& lock, std::int64_t deadline, P condition) {
    while (!condition()) {
      if (wait_until_ns(lock, deadline) == status::timed_out) return condition();
    }
    return true;
  }

  template <class L>
  status wait_until_ns(L& lock, std::int64_t deadline) {
    // Queued before the lock goes, so a notification that follows its release finds us.
    detail::waiter& self = enqueue();
    lock.unlock();
    const status end = finish(self, deadline);
    lock.lock();
    return end;
  }

  HILO_API detail::waiter& enqueue() noexcept;
  HILO_API status finish(detail::waiter& self, std::int64_t deadline) noexcept;

  detail::spin_lock queue_lock_;
  detail::wait_list waiters_;  // guarded by queue_lock_
};

}  // namespace hilo
