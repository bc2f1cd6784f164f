// Timers that fibers and kernel threads wait for.
//
//   timer    fires once, at a time that may be set again, or taken back
//   ticker   ticks again and again, without drift
//
//   hilo::ticker every_second(1s);
//   while (every_second.wait() == hilo::status::ok) print_statistics();
//
// For a single wait use sleep_for(); to limit another wait use its _for and _until forms. A timer
// is for a time that other fibers may move or cancel. A timer needs no waiter, and costs nothing
// while it has none. Both can be cases of a select: fired_of() and tick_of().
//
// Durations and time points may be of any type and clock. A time too far away to count never comes;
// a time that has passed, or is not a number, comes at once. If the clock is not steady_clock, the
// time left is computed when the timer is set; if that clock is changed later, the timer does not
// follow it.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "hilo/detail/api.hpp"
#include "hilo/detail/deadline.hpp"
#include "hilo/detail/decision.hpp"
#include "hilo/detail/select_core.hpp"
#include "hilo/detail/waiter.hpp"
#include "hilo/status.hpp"

namespace hilo {
namespace detail {

class timer_case;
class ticker_case;

}  // namespace detail

// A timer is unset, set or fired. fire_after() and fire_at() set it in any state. When its time
// comes, it becomes fired, and stays so until it is set again. cancel() makes a set timer unset,
// and does not change a fired timer. Each call looks at the clock once, under the timer's lock, so
// all calls agree: if cancel() or fire_after() says that the timer had fired, each wait that had
// begun before returns ok. If the call says that the timer was active, no wait returns ok because
// of the old time.
class timer {
 public:
  // A timer that is not set.
  timer() noexcept = default;
  template <class R, class P>
  explicit timer(std::chrono::duration<R, P> from_now) noexcept
      : set_(true), due_(detail::deadline_after(from_now)) {}
  template <class C, class D>
  explicit timer(std::chrono::time_point<C, D> when) noexcept
      : set_(true), due_(detail::deadline_at(when)) {}
  // Errors: destroying it while a caller waits for it aborts.
  HILO_API ~timer();
  timer(const timer&) = delete;
  timer& operator=(const timer&) = delete;

  // Sets the time at which the timer fires, and replaces a time that was set before; present waits
  // go on, for the new time. True: the timer was active (set and not fired), so the old time has no
  // effect any more. False: it was unset, or had fired; if it had fired, the waits that had begun
  // return ok. Never parks.
  // Callable from: any fiber or thread.
  template <class R, class P>
  bool fire_after(std::chrono::duration<R, P> from_now) noexcept {
    return set(detail::deadline_after(from_now));
  }
  template <class C, class D>
  bool fire_at(std::chrono::time_point<C, D> when) noexcept {
    return set(detail::deadline_at(when));
  }

  // Cancels the time: the waits that had begun return closed. True: the timer was active. False: it
  // was unset, or had fired, and nothing changes. Never parks. Callable from: any fiber or thread.
  HILO_API bool cancel() noexcept;

  // Waits until the timer fires, and returns ok; at once if it has fired. closed: it is not set, or
  // cancel() came first. cancelled or timed_out: a stop request or a limit ended the wait
  // (hilo/limit.hpp).
  // Parks: until then. Callable from: any fiber or thread, several at a time.
  // Ordering: everything before fire_at, fire_after or cancel happens before the return of a wait
  // that they end.
  HILO_API status wait() noexcept;

  // Tells whether it has fired: a wait then returns ok at once. Never parks; a false answer counts
  // like a wait that succeeds at once (docs/fibers.md).
  [[nodiscard]] HILO_API bool has_fired() const noexcept;

 private:
  friend class detail::timer_case;

  HILO_API bool set(std::int64_t when) noexcept;
  bool is_due() const noexcept { return set_ && due_ <= detail::monotonic_now(); }
  std::int64_t next() const noexcept { return set_ ? due_ : detail::no_deadline; }

  mutable detail::sync_lock lock_;
  bool set_ = false;                        // guarded by lock_
  std::int64_t due_ = detail::no_deadline;  // guarded by lock_; no_deadline: it never fires
  // Both guarded by lock_. Each node in either list waits until due_. Its slot is a
  // std::optional<status>: the result of the wait, written under the lock by the call that changes
  // the time.
  detail::wait_list waiters_;
  detail::wait_list selects_;
};

// What a ticker does with ticks whose time passed before a caller waited for them.
enum class missed_ticks : std::uint8_t {
  skip,      // the newest comes at once, the older ones are left out
  catch_up,  // each comes at once, in order, until no tick is missed
  delay,     // the schedule moves: the next tick comes a period after this tick was taken
};

class ticker {
 public:
  // The first tick comes after one period. With skip and catch_up every tick lies a whole number of
  // periods after the start, even if earlier ticks were taken late.
  // Errors: a period of 0 or less, or a period that is not a number, aborts.
  template <class R, class P>
  explicit ticker(std::chrono::duration<R, P> period,
                  missed_ticks policy = missed_ticks::skip) noexcept
      : ticker(detail::nanoseconds_of(period), policy) {}
  // Errors: destroying it while a caller waits for it aborts.
  HILO_API ~ticker();
  ticker(const ticker&) = delete;
  ticker& operator=(const ticker&) = delete;

  // Waits for the next tick, and returns ok. Each tick ends one wait or select; if there are
  // several waits, the wait that began first, or the first that begins anew after reset(). closed:
  // the ticker was stopped. cancelled or
  // timed_out: a stop request or a limit ended the wait (hilo/limit.hpp), which then took no tick.
  // Parks: until then. Callable from: any fiber or thread.
  HILO_API status wait() noexcept;

  // Starts again: the next tick comes after one new period, or at the time `first` (at once if that
  // has passed). The later ticks follow, one period apart. Ticks that no wait took are dropped.
  // Present waits go on, for the new ticks. True: the ticker was running. False: it was stopped,
  // and runs again. Never parks. Callable from: any fiber or thread. Errors: as the constructor.
  template <class R, class P>
  bool reset(std::chrono::duration<R, P> period) noexcept {
    return restart(detail::nanoseconds_of(period), detail::no_wait);
  }
  template <class R, class P, class C, class D>
  bool reset(std::chrono::duration<R, P> period, std::chrono::time_point<C, D> first) noexcept {
    return restart(detail::nanoseconds_of(period), detail::deadline_at(first));
  }

  // Stops the ticker: present waits and all later waits return closed, until reset(). True: it was
  // running. Never parks. Callable from: any fiber or thread.
  HILO_API bool stop() noexcept;

  // The time of the first tick that no wait has taken yet; time_point::max() if there is none.
  // Never parks; counts (docs/fibers.md).
  [[nodiscard]] HILO_API std::chrono::steady_clock::time_point next_tick() const noexcept;

  // How many ticks skip has left out so far. Never parks; counts (docs/fibers.md).
  [[nodiscard]] HILO_API std::uint64_t skipped() const noexcept;

 private:
  friend class detail::ticker_case;

  HILO_API ticker(std::int64_t period, missed_ticks policy) noexcept;
  // first: no_wait means after one period.
  HILO_API bool restart(std::int64_t period, std::int64_t first) noexcept;
  bool take() noexcept;
  detail::wait_node* pass_on(const void* mine) noexcept;
  std::int64_t next() const noexcept { return stopped_ ? detail::no_deadline : next_; }

  const missed_ticks policy_;
  mutable detail::sync_lock lock_;
  // All below guarded by lock_.
  bool stopped_ = false;
  std::int64_t period_;  // ns
  std::int64_t next_;    // the first tick that no wait took
  std::uint64_t skipped_ = 0;
  // The only wait with a deadline, named by its node's slot. It takes the next tick. When it ends,
  // the wait that waits longest takes its place. Null: there is no wait, or all are about to look
  // again.
  const void* first_ = nullptr;
  detail::wait_list waiters_;  // without a deadline, except for the first
  detail::wait_list selects_;  // each with the deadline next_
};

namespace detail {

class HILO_API timer_case final : public select_case {
 public:
  timer_case(timer& what, bool enabled) noexcept : select_case(enabled), what_(what) {}

  spin_lock* lock() noexcept override { return &what_.lock_; }
  status attempt(partner& other) override;
  wait_list* list() noexcept override { return &what_.selects_; }
  void* slot() noexcept override { return &answer_; }
  std::int64_t deadline() const noexcept override { return due_; }
  void renew() noexcept override { answer_.reset(); }

 private:
  timer& what_;
  std::optional<status> answer_;    // guarded by the timer's lock
  std::int64_t due_ = no_deadline;  // as of the last attempt
};

class HILO_API ticker_case final : public select_case {
 public:
  ticker_case(ticker& what, bool enabled) noexcept : select_case(enabled), what_(what) {}

  spin_lock* lock() noexcept override { return &what_.lock_; }
  status attempt(partner& other) override;
  wait_list* list() noexcept override { return &what_.selects_; }
  std::int64_t deadline() const noexcept override { return next_; }

 private:
  ticker& what_;
  std::int64_t next_ = no_deadline;  // as of the last attempt
};

}  // namespace detail

// Cases of a select (hilo/select.hpp).

// Ready once the timer has fired. A timer that is not set is never ready. If the timer is
// cancelled, a select goes on waiting; if it gets a new time, the select follows the new time.
inline auto fired_of(timer& what, bool enabled = true) noexcept {
  return detail::timer_case(what, enabled);
}

// Ready when a tick has come that no wait took; the select takes it, unless it takes another case.
// A stopped ticker is never ready.
inline auto tick_of(ticker& what, bool enabled = true) noexcept {
  return detail::ticker_case(what, enabled);
}

}  // namespace hilo
