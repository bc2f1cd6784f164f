// Waits for a condition that other fibers or kernel threads make true under a lock. Works with any
// BasicLockable, as std::condition_variable_any does. Waits of one variable may use different
// locks, also at the same time; a notification wakes them in the order in which they began. For a
// queue use a channel.
//
//   std::unique_lock lock(guard);
//   ready.wait(lock, [&] { return !jobs.empty(); });
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <stop_token>

#include "hilo/detail/api.hpp"
#include "hilo/detail/deadline.hpp"
#include "hilo/detail/decision.hpp"
#include "hilo/detail/waiter.hpp"
#include "hilo/limit.hpp"
#include "hilo/status.hpp"

namespace hilo {

class condition_variable {
 public:
  constexpr condition_variable() noexcept = default;
  // Allowed as soon as all waiters were notified, also before their waits return. Errors: aborts if
  // a waiter was not notified.
  HILO_API ~condition_variable();
  condition_variable(const condition_variable&) = delete;
  condition_variable& operator=(const condition_variable&) = delete;

  // Wakes the waiter that waits longest, or all waiters. Never parks. Callable from: anywhere
  // except a signal handler, with or without the lock. A wait that begins after the call is not
  // woken by it.
  HILO_API void notify_one() noexcept;
  HILO_API void notify_all() noexcept;

  // Releases the lock, waits for a notification, takes the lock again. Each notify_one ends at most
  // one wait, and no wait ends without a notification. With a predicate: returns only when the
  // predicate is true. Parks: until notified, and then for the lock. No stop request and no limit
  // ends the wait. Callable from: a fiber or thread that holds the lock, whose unlock must not
  // park.
  // Errors: a lock that the caller does not hold is refused by its unlock: a hilo::mutex aborts, a
  // std::unique_lock throws. If the lock's unlock throws, the caller gets the exception and waits
  // no more. If its lock throws, the program terminates, because the caller relies on holding the
  // lock (C++20 [thread.condition.condvarany]).
  template <class L>
  void wait(L& lock) {
    (void)wait_once(lock, detail::until_woken);
  }
  template <class L, class P>
  void wait(L& lock, P predicate) {
    while (!predicate()) wait(lock);
  }

  // The same, but a time ends the wait too: then timed_out, which equals std::cv_status::timeout.
  // With a predicate: returns the predicate's last value. No stop request and no limit ends the
  // wait. A clock other than steady_clock may be set back, or go slower than the wait counts: then
  // the form without a predicate may return ok without a notification, as in the standard.
  template <class L, class C, class D>
  status wait_until(L& lock, std::chrono::time_point<C, D> when) {
    const status end = wait_once(lock, detail::until_woken_or(detail::deadline_at(when)));
    return end == status::timed_out && !detail::has_come(when) ? status::ok : end;
  }
  template <class L, class R, class Q>
  status wait_for(L& lock, std::chrono::duration<R, Q> patience) {
    return wait_once(lock, detail::until_woken_or(detail::deadline_after(patience)));
  }
  template <class L, class C, class D, class P>
  bool wait_until(L& lock, std::chrono::time_point<C, D> when, P predicate) {
    return detail::wait_until_time<detail::ended_by_limits::no>(when, [&](std::int64_t deadline) {
             return wait_predicate(lock, detail::until_woken_or(deadline), predicate);
           }) == status::ok;
  }
  template <class L, class R, class Q, class P>
  bool wait_for(L& lock, std::chrono::duration<R, Q> patience, P predicate) {
    const std::int64_t deadline = detail::until_woken_or(detail::deadline_after(patience));
    return wait_predicate(lock, deadline, predicate) == status::ok;
  }

  // The same, but a stop request of `stop` ends the wait too. Returns the predicate's last value:
  // false if the stop request or the time came first. The members of std::condition_variable_any.
  template <class L, class P>
  bool wait(L& lock, std::stop_token stop, P predicate) {
    return wait_stoppable(lock, stop, detail::no_deadline, predicate);
  }
  template <class L, class C, class D, class P>
  bool wait_until(L& lock, std::stop_token stop, std::chrono::time_point<C, D> when, P predicate) {
    return detail::wait_until_time<detail::ended_by_limits::no>(when, [&](std::int64_t deadline) {
             if (wait_stoppable(lock, stop, deadline, predicate)) return status::ok;
             return stop.stop_requested() ? status::cancelled : status::timed_out;
           }) == status::ok;
  }
  template <class L, class R, class Q, class P>
  bool wait_for(L& lock, std::stop_token stop, std::chrono::duration<R, Q> patience, P predicate) {
    return wait_stoppable(lock, stop, detail::deadline_after(patience), predicate);
  }

  // The same, but a stop request and a limit (hilo/limit.hpp) end the wait too. Returns ok when
  // notified or, with a predicate, when the predicate is true; else cancelled or timed_out. The
  // caller holds the lock again in any case.
  template <class L>
  [[nodiscard]] status wait(L& lock, interruptible_t) {
    return wait_once(lock, detail::no_deadline);
  }
  template <class L, class P>
  [[nodiscard]] status wait(L& lock, P predicate, interruptible_t) {
    return wait_predicate(lock, detail::no_deadline, predicate);
  }
  template <class L, class C, class D>
  [[nodiscard]] status wait_until(L& lock, std::chrono::time_point<C, D> when, interruptible_t) {
    const status end = wait_once(lock, detail::deadline_at(when));
    return end == status::timed_out && !detail::has_come(when) && detail::limit_now() == status::ok
               ? status::ok
               : end;
  }
  template <class L, class R, class Q>
  [[nodiscard]] status wait_for(L& lock, std::chrono::duration<R, Q> patience, interruptible_t) {
    return wait_once(lock, detail::deadline_after(patience));
  }
  template <class L, class C, class D, class P>
  [[nodiscard]] status wait_until(L& lock, std::chrono::time_point<C, D> when, P predicate,
                                  interruptible_t) {
    return detail::wait_until_time(
        when, [&](std::int64_t deadline) { return wait_predicate(lock, deadline, predicate); });
  }
  template <class L, class R, class Q, class P>
  [[nodiscard]] status wait_for(L& lock, std::chrono::duration<R, Q> patience, P predicate,
                                interruptible_t) {
    return wait_predicate(lock, detail::deadline_after(patience), predicate);
  }

 private:
  template <class L, class P>
  status wait_predicate(L& lock, std::int64_t deadline, P& predicate) {
    while (!predicate()) {
      const status end = wait_once(lock, deadline);
      if (end != status::ok) return predicate() ? status::ok : end;
    }
    return status::ok;
  }

  template <class L, class P>
  bool wait_stoppable(L& lock, const std::stop_token& stop, std::int64_t deadline, P& predicate) {
    while (!stop.stop_requested()) {
      if (predicate()) return true;
      if (wait_once_stoppable(lock, stop, deadline) == status::timed_out) break;
    }
    detail::count_eager();  // a call that was stopped before may not have waited
    return predicate();
  }

  template <class L>
  status wait_once_stoppable(L& lock, const std::stop_token& stop, std::int64_t deadline) {
    const detail::wait_limit shield(detail::no_deadline, true);
    const detail::stop_limit limit(stop);
    return wait_once(lock, deadline);
  }

  template <class L>
  status wait_once(L& lock, std::int64_t deadline) {
    // The waiter is queued before the lock is released, so a notification after the release finds
    // it.
    detail::waiter& self = detail::current_waiter();
    status end = enqueue(self, deadline);
    try {
      lock.unlock();
    } catch (...) {
      if (end == status::ok) withdraw(self);
      throw;
    }
    if (end == status::ok) {
      end = detail::finish_wait(self, deadline, "condition_variable");
    } else {
      detail::count_eager();  // others get the lock although this wait ended before it began
    }
    lock_again(lock);
    return end;
  }

  template <class L>
  static void lock_again(L& lock) noexcept {
    lock.lock();
  }

  HILO_API status enqueue(detail::waiter& self, std::int64_t& deadline) noexcept;
  // Undoes enqueue(). A notification that came meanwhile goes to the next in the queue.
  HILO_API void withdraw(detail::waiter& self) noexcept;

  detail::sync_lock queue_lock_;
  detail::wait_list waiters_;  // guarded by queue_lock_
};

// The result of a timed wait compares as the result of the standard's timed waits does.
constexpr bool operator==(status end, std::cv_status standard) noexcept {
  return (end == status::timed_out) == (standard == std::cv_status::timeout);
}

}  // namespace hilo
