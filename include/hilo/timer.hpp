// Timers that fibers and kernel threads wait for.
//
//   timer    fires once, at a time that may be set again, or taken back
//   ticker   ticks again and again, without drift
//
//   hilo::ticker every_second(1s);
//   while (every_second.wait() == hilo::status::ok) print_statistics();
//
// For one wait there is sleep_for(), and for a limit to another wait its _for and _until forms; a
// timer is for what others may move or call off. Nobody has to wait for one, and one that nobody
// waits for costs nothing.
#pragma once

#include <chrono>
#include <cstdint>

#include "hilo/detail/api.hpp"
#include "hilo/detail/deadline.hpp"
#include "hilo/detail/decision.hpp"
#include "hilo/detail/waiter.hpp"
#include "hilo/status.hpp"

namespace hilo {

class timer {
 public:
  // A timer that is not set.
  timer() noexcept = default;
  template <class R, class P>
  explicit timer(std::chrono::duration<R, P> from_now) noexcept
      : due_(detail::deadline_after(from_now)) {}
  template <class C, class D>
  explicit timer(std::chrono::time_point<C, D> when) noexcept : due_(detail::deadline_at(when)) {}
  // Destroying one that is waited for aborts.
  HILO_API ~timer();
  timer(const timer&) = delete;
  timer& operator=(const timer&) = delete;

  // Sets the time at which it fires, instead of any set before; who waits goes on waiting, for the
  // new one. Never parks. Callable from: any fiber or thread.
  template <class R, class P>
  void fire_after(std::chrono::duration<R, P> from_now) noexcept {
    set(detail::deadline_after(from_now));
  }
  template <class C, class D>
  void fire_at(std::chrono::time_point<C, D> when) noexcept {
    set(detail::deadline_at(when));
  }

  // Takes the time back; who waits gets cancelled. True: it was set and had not fired. Never parks.
  // Callable from: any fiber or thread.
  HILO_API bool cancel() noexcept;

  // Waits until it fires: ok; at once if it has. cancelled: cancel() came first, it was not set, or
  // a limit around the call ended it (hilo/limit.hpp), which may also be timed_out.
  // Parks: until then. Callable from: any fiber or thread, several at a time.
  // Ordering: what happened before fire_at, fire_after or cancel happens before a wait they end.
  HILO_API status wait() noexcept;

  // Tells whether a wait would return ok at once. Never parks.
  [[nodiscard]] HILO_API bool has_fired() const noexcept;

 private:
  HILO_API void set(std::int64_t when) noexcept;

  mutable detail::sync_lock lock_;
  std::int64_t due_ = detail::no_deadline;  // guarded by lock_; no_deadline: not set
  detail::wait_list waiters_;               // guarded by lock_; each waits until due_
};

// What a ticker does about ticks whose time passed before anybody waited for them.
enum class missed_ticks : std::uint8_t {
  skip,      // the newest of them comes at once, those before it are left out
  catch_up,  // they come at once, one after the other, until none is missed
  delay,     // the schedule moves: the next tick is a period after this one was taken
};

class ticker {
 public:
  // Ticks first after one period. With skip and catch_up every tick lies a whole number of periods
  // after the start, however late the ones before it were taken.
  // Errors: a period of 0 or less aborts.
  template <class R, class P>
  explicit ticker(std::chrono::duration<R, P> period,
                  missed_ticks policy = missed_ticks::skip) noexcept
      : ticker(std::chrono::ceil<std::chrono::nanoseconds>(period).count(), policy) {}
  // Destroying one that is waited for aborts.
  HILO_API ~ticker();
  ticker(const ticker&) = delete;
  ticker& operator=(const ticker&) = delete;

  // Waits for the next tick: ok. Each tick ends one wait: of several at a time, each gets its own.
  // cancelled: it was stopped, or a limit around the call ended it (hilo/limit.hpp), which may also
  // be timed_out; the tick is then lost.
  // Parks: until then. Callable from: any fiber or thread.
  HILO_API status wait() noexcept;

  // Ends it: who waits, and every later wait, gets cancelled. Never parks.
  // Callable from: any fiber or thread.
  HILO_API void stop() noexcept;

  // How many ticks were left out so far, with skip. Never parks.
  [[nodiscard]] HILO_API std::uint64_t skipped() const noexcept;

 private:
  HILO_API ticker(std::int64_t period, missed_ticks policy) noexcept;

  const std::int64_t period_;  // ns
  const missed_ticks policy_;
  mutable detail::sync_lock lock_;
  bool stopped_ = false;       // guarded by lock_
  std::int64_t next_;          // guarded by lock_: the first tick that nobody waits for
  std::uint64_t skipped_ = 0;  // guarded by lock_
  detail::wait_list waiters_;  // guarded by lock_; each waits for a tick of its own
};

}  // namespace hilo
