// Meeting points, between fibers, kernel threads, or both.
//
//   latch       opens once, when it was counted down (std::latch)
//   wait_group  the same, but may be counted up before, and used again after it opened
//   event       opened and closed by hand
//   auto_reset_event  lets one through each time it is set
//   barrier     opens each time all participants have arrived (std::barrier)
//
//   hilo::wait_group jobs;
//   for (auto& page : pages) {
//     jobs.add();
//     hilo::spawn([&] { load(page); jobs.done(); }).detach();
//   }
//   jobs.wait();
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "hilo/barrier.hpp"  // IWYU pragma: export
#include "hilo/detail/api.hpp"
#include "hilo/detail/deadline.hpp"
#include "hilo/detail/decision.hpp"
#include "hilo/detail/waiter.hpp"
#include "hilo/status.hpp"

namespace hilo {

namespace detail {

class event_case;  // hilo/select.hpp

// A count that opens a gate at 0.
class countdown {
 public:
  explicit constexpr countdown(std::ptrdiff_t count) noexcept : count_(count) {}
  HILO_API ~countdown();
  countdown(const countdown&) = delete;
  countdown& operator=(const countdown&) = delete;

  // Adds `change`. If the count would be negative, aborts and names `what`.
  HILO_API void change(std::ptrdiff_t change, const char* what) noexcept;
  // Subtracts `by`. If `by` is negative or more than the count, aborts and names `what`.
  HILO_API void count_down(std::ptrdiff_t by, const char* what) noexcept;
  HILO_API bool is_open() const noexcept;
  HILO_API status wait_until(std::int64_t deadline, const char* reason) const noexcept;

 private:
  mutable sync_lock lock_;
  std::ptrdiff_t count_;       // guarded by lock_
  mutable wait_list waiters_;  // guarded by lock_; empty while count_ is 0
};

}  // namespace detail

// All waits. Parks: until it opens. Callable from: any fiber or thread. Ordering: everything
// before the calls that opened it happens before the wait returns. Destroying one while a caller
// waits on it aborts. Three forms:
//   wait()                ends only when it opens, as in the standard library
//   wait(interruptible)   returns ok when it opens; cancelled or timed_out if a stop request or a
//                         limit comes first (hilo/limit.hpp)
//   wait_for, wait_until  return true when it opens; false if the time, a stop request or a limit
//                         comes first

class latch {
 public:
  // The largest count to start from.
  static constexpr std::ptrdiff_t max() noexcept { return PTRDIFF_MAX; }

  // Errors: a negative count aborts.
  explicit latch(std::ptrdiff_t count) noexcept : count_(0) { count_.change(count, "latch"); }

  // Errors: counting below 0, or by a negative number, aborts. Never parks.
  void count_down(std::ptrdiff_t by = 1) noexcept { count_.count_down(by, "latch"); }
  // Whether it is open. Never parks; a false answer counts (docs/fibers.md).
  [[nodiscard]] bool try_wait() const noexcept { return count_.is_open(); }
  void wait() const noexcept { (void)count_.wait_until(detail::until_woken, "latch"); }
  [[nodiscard]] status wait(interruptible_t) const noexcept {
    return count_.wait_until(detail::no_deadline, "latch");
  }
  template <class R, class P>
  [[nodiscard]] bool wait_for(std::chrono::duration<R, P> patience) const noexcept {
    return count_.wait_until(detail::deadline_after(patience), "latch") == status::ok;
  }
  template <class C, class D>
  [[nodiscard]] bool wait_until(std::chrono::time_point<C, D> when) const noexcept {
    return detail::wait_until_time(when, [&](std::int64_t deadline) {
      return count_.wait_until(deadline, "latch") == status::ok;
    });
  }
  // Counts down, then waits.
  void arrive_and_wait(std::ptrdiff_t by = 1) noexcept {
    count_down(by);
    wait();
  }
  [[nodiscard]] status arrive_and_wait(interruptible_t) noexcept {
    count_down();
    return wait(interruptible);
  }
  [[nodiscard]] status arrive_and_wait(std::ptrdiff_t by, interruptible_t) noexcept {
    count_down(by);
    return wait(interruptible);
  }

 private:
  detail::countdown count_;
};

class wait_group {
 public:
  // Adds `by` to the count. Call it before you start the fiber that will call done(). Never parks.
  void add(std::ptrdiff_t by = 1) noexcept { count_.change(by, "wait_group"); }
  // Errors: more done() than add() aborts. Never parks.
  void done() noexcept { count_.change(-1, "wait_group"); }
  // Waits until done() was called for everything that was added.
  void wait() const noexcept { (void)count_.wait_until(detail::until_woken, "wait_group"); }
  [[nodiscard]] status wait(interruptible_t) const noexcept {
    return count_.wait_until(detail::no_deadline, "wait_group");
  }
  template <class R, class P>
  [[nodiscard]] bool wait_for(std::chrono::duration<R, P> patience) const noexcept {
    return count_.wait_until(detail::deadline_after(patience), "wait_group") == status::ok;
  }
  template <class C, class D>
  [[nodiscard]] bool wait_until(std::chrono::time_point<C, D> when) const noexcept {
    return detail::wait_until_time(when, [&](std::int64_t deadline) {
      return count_.wait_until(deadline, "wait_group") == status::ok;
    });
  }

 private:
  detail::countdown count_{0};
};

class event {
 public:
  constexpr event() noexcept = default;
  constexpr explicit event(bool is_set) noexcept : set_(is_set) {}
  HILO_API ~event();
  event(const event&) = delete;
  event& operator=(const event&) = delete;

  // Lets all present and later callers through, until reset(). Never parks.
  HILO_API void set() noexcept;
  HILO_API void reset() noexcept;
  // Never parks; a false answer counts (docs/fibers.md).
  [[nodiscard]] HILO_API bool is_set() const noexcept;
  void wait() const noexcept { (void)wait_until_ns(detail::until_woken); }
  [[nodiscard]] status wait(interruptible_t) const noexcept {
    return wait_until_ns(detail::no_deadline);
  }
  template <class R, class P>
  [[nodiscard]] bool wait_for(std::chrono::duration<R, P> patience) const noexcept {
    return wait_until_ns(detail::deadline_after(patience)) == status::ok;
  }
  template <class C, class D>
  [[nodiscard]] bool wait_until(std::chrono::time_point<C, D> when) const noexcept {
    return detail::wait_until_time(
        when, [&](std::int64_t deadline) { return wait_until_ns(deadline) == status::ok; });
  }

 private:
  friend class detail::event_case;

  HILO_API status wait_until_ns(std::int64_t deadline) const noexcept;

  mutable detail::sync_lock lock_;
  bool set_ = false;                   // guarded by lock_
  mutable detail::wait_list waiters_;  // guarded by lock_; empty while set_
};

// An event that lets one caller through each time it is set, and then closes.
class auto_reset_event {
 public:
  constexpr auto_reset_event() noexcept = default;
  constexpr explicit auto_reset_event(bool is_set) noexcept : set_(is_set) {}
  HILO_API ~auto_reset_event();
  auto_reset_event(const auto_reset_event&) = delete;
  auto_reset_event& operator=(const auto_reset_event&) = delete;

  // Lets exactly one caller through: the longest waiter or, without a waiter, the next caller.
  // A set() that finds it set already has no effect. Never parks.
  HILO_API void set() noexcept;
  // Takes back a set() that has not let a caller through yet. Never parks.
  HILO_API void reset() noexcept;
  // Goes through if it is set; true if so. Never parks; a false answer counts (docs/fibers.md).
  [[nodiscard]] HILO_API bool try_wait() noexcept;
  void wait() noexcept { (void)wait_until_ns(detail::until_woken); }
  [[nodiscard]] status wait(interruptible_t) noexcept { return wait_until_ns(detail::no_deadline); }
  template <class R, class P>
  [[nodiscard]] bool wait_for(std::chrono::duration<R, P> patience) noexcept {
    return wait_until_ns(detail::deadline_after(patience)) == status::ok;
  }
  template <class C, class D>
  [[nodiscard]] bool wait_until(std::chrono::time_point<C, D> when) noexcept {
    return detail::wait_until_time(
               when, [&](std::int64_t deadline) { return wait_until_ns(deadline); }) == status::ok;
  }

 private:
  HILO_API status wait_until_ns(std::int64_t deadline) noexcept;

  detail::sync_lock lock_;
  bool set_ = false;           // guarded by lock_; false while there are waiters
  detail::wait_list waiters_;  // guarded by lock_
};

}  // namespace hilo
