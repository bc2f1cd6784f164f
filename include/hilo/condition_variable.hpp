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
#include "hilo/detail/decision.hpp"
#include "hilo/detail/waiter.hpp"
#include "hilo/status.hpp"

namespace hilo {

class condition_variable {
 public:
  constexpr condition_variable() noexcept = default;
  // May follow as soon as all that wait were notified, also before they return. Errors: destroying
  // one on which somebody waits who was not notified aborts.
  HILO_API ~condition_variable();
  condition_variable(const condition_variable&) = delete;
  condition_variable& operator=(const condition_variable&) = delete;

  // Wakes the one that waits longest, or all. Never parks. Callable from: anywhere, with the lock
  // held or not. A wait that begins after the call is not woken by it.
  HILO_API void notify_one() noexcept;
  HILO_API void notify_all() noexcept;

  // Releases the lock, waits for a notification, takes the lock again. Each notify_one ends exactly
  // one wait, and none ends by chance.
  // Returns ok; cancelled or timed_out when a stop request or a limit came first (hilo/limit.hpp).
  // The lock is held again in any case. With a condition: what it says at the end, so true unless
  // the wait was ended so.
  // Parks: until notified, and then for the lock. Callable from: any fiber or thread that holds it.
  template <class L>
  status wait(L& lock) {
    return wait_until_ns(lock, detail::no_deadline);
  }
  template <class L, class P>
  bool wait(L& lock, P condition) {
    return wait_condition(lock, detail::no_deadline, std::move(condition));
  }

  // The same until a time at most, then timed_out.
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
      if (wait_until_ns(lock, deadline) != status::ok) return condition();
    }
    return true;
  }

  template <class L>
  status wait_until_ns(L& lock, std::int64_t deadline) {
    // Queued before the lock goes, so a notification that follows its release finds us.
    detail::waiter& self = detail::current_waiter();
    status end = enqueue(self, deadline);
    if (end != status::ok) return end;
    lock.unlock();
    end = detail::finish_wait(self, deadline, "condition_variable");
    lock.lock();
    return end;
  }

  HILO_API status enqueue(detail::waiter& self, std::int64_t& deadline) noexcept;

  detail::sync_lock queue_lock_;
  detail::wait_list waiters_;  // guarded by queue_lock_
};

}  // namespace hilo
