// Meeting points, between fibers, kernel threads, or both.
//
//   latch       opens once, when it was counted down (std::latch)
//   wait_group  the same, but may be counted up before, and used again after it opened
//   event       opened and closed by hand
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
#include <functional>

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

  // Adds `change`; aborts, naming `what`, when the count would be negative.
  HILO_API void change(std::ptrdiff_t change, const char* what) noexcept;
  HILO_API bool is_open() const noexcept;
  HILO_API status wait_until(std::int64_t deadline, const char* reason) const noexcept;

 private:
  mutable sync_lock lock_;
  std::ptrdiff_t count_;       // guarded by lock_
  mutable wait_list waiters_;  // guarded by lock_; empty while count_ is 0
};

}  // namespace detail

// All waits. Parks: until it opens. Callable from: any fiber or thread. Ordering: what happened
// before the calls that opened it happens before the wait returns. Destroying one on which somebody
// waits aborts. Three forms:
//   wait()                   ends only when it opens, as in the standard library
//   wait(interruptible)      returns ok when it opens; cancelled or timed_out if a stop request or
//   a
//                            limit comes first (hilo/limit.hpp)
//   wait_for, wait_until     return true when it opens; false if the time, a stop request or a
//   limit
//                            comes first

class latch {
 public:
  // Errors: a negative count aborts.
  explicit latch(std::ptrdiff_t count) noexcept : count_(0) { count_.change(count, "latch"); }

  // Errors: counting below 0 aborts. Never parks.
  void count_down(std::ptrdiff_t by = 1) noexcept { count_.change(-by, "latch"); }
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
    return count_.wait_until(detail::deadline_at(when), "latch") == status::ok;
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
  // Counts `by` more to wait for. Call it before what will call done() is started. Never parks.
  void add(std::ptrdiff_t by = 1) noexcept { count_.change(by, "wait_group"); }
  // Errors: more done() than add() aborts. Never parks.
  void done() noexcept { count_.change(-1, "wait_group"); }
  // Waits until all that was added is done.
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
    return count_.wait_until(detail::deadline_at(when), "wait_group") == status::ok;
  }

 private:
  detail::countdown count_{0};
};

class event {
 public:
  explicit event(bool is_set = false) noexcept : set_(is_set) {}
  HILO_API ~event();
  event(const event&) = delete;
  event& operator=(const event&) = delete;

  // Lets all through who wait or come, until reset(). Never parks.
  HILO_API void set() noexcept;
  HILO_API void reset() noexcept;
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
    return wait_until_ns(detail::deadline_at(when)) == status::ok;
  }

 private:
  friend class detail::event_case;

  HILO_API status wait_until_ns(std::int64_t deadline) const noexcept;

  mutable detail::sync_lock lock_;
  bool set_;                           // guarded by lock_
  mutable detail::wait_list waiters_;  // guarded by lock_; empty while set_
};

class barrier {
 public:
  // Opens whenever `participants` have arrived; then the last of them first calls `completion`,
  // which may not throw. Errors: a negative number aborts.
  HILO_API explicit barrier(std::ptrdiff_t participants, std::function<void()> completion = {});
  HILO_API ~barrier();
  barrier(const barrier&) = delete;
  barrier& operator=(const barrier&) = delete;

  // Arrives and waits for the others, as std::barrier. Parks: until all have arrived; no stop
  // request and no limit ends this. Callable from: any fiber or thread.
  void arrive_and_wait() noexcept { (void)arrive_and_wait_until(detail::until_woken); }
  // The same, but ends with cancelled or timed_out when a stop request or a limit comes first
  // (hilo/limit.hpp). The caller has arrived all the same.
  [[nodiscard]] status arrive_and_wait(interruptible_t) noexcept {
    return arrive_and_wait_until(detail::no_deadline);
  }
  // Arrives and takes no part in later rounds. Never parks.
  HILO_API void arrive_and_drop() noexcept;

 private:
  HILO_API status arrive_and_wait_until(std::int64_t deadline) noexcept;
  bool arrive_locked() noexcept;

  detail::sync_lock lock_;
  std::ptrdiff_t participants_;  // guarded by lock_
  std::ptrdiff_t missing_;       // guarded by lock_: who has not arrived this round
  detail::wait_list waiters_;    // guarded by lock_
  std::function<void()> completion_;
};

}  // namespace hilo
