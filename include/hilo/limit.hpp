// Limits for everything that a piece of code waits for: a deadline, a stop token, or none at all.
//
//   auto answer = hilo::with_timeout(2s, [&] { return ask(server); });
//
// A limit holds for all calls that park inside the given function, at any depth, on this fiber or
// kernel thread. When the limit is reached, the call that is parked ends with timed_out or
// cancelled. Until the function returns, every later call that would park ends so at once. Limits
// nest: the nearest deadline and every token count. Not for computations that must end at a certain
// time: code that computes is never interrupted, and lock() still returns only with the mutex
// locked.
//
// A fiber's own stop request (fiber::request_stop, the destructor of its handle, its scope) is such
// a limit around the whole fiber. A limit ends the calls that can report a failed wait: timed
// calls, and the forms that take hilo::interruptible (hilo/status.hpp). It does not end calls that
// promise something on return, such as mutex::lock, condition_variable::wait and fiber::join.
// docs/cancellation.md has a table of all calls.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <stop_token>
#include <utility>

#include "hilo/detail/api.hpp"
#include "hilo/detail/deadline.hpp"
#include "hilo/detail/waiter.hpp"

namespace hilo {
namespace detail {

// A limit lies in the frame of the function that sets it, and is linked into the list of its
// waiter.
struct wait_limit {
  // A nested limit has a greater depth. The fiber's own stop request has depth 0.
  HILO_API explicit wait_limit(std::int64_t when = no_deadline, bool is_shield = false) noexcept;
  HILO_API ~wait_limit();
  wait_limit(const wait_limit&) = delete;
  wait_limit& operator=(const wait_limit&) = delete;

  // Ends the waits under this limit with cancelled. Callable from any thread, once.
  HILO_API void interrupt() noexcept;

  waiter& who;
  wait_limit* outer;
  std::int64_t deadline;  // the nearest of this and the outer ones
  std::uint16_t depth;
  std::uint16_t shield;  // the depth of the innermost shield, this included; 0: none
  const std::stop_token* token = nullptr;  // the token whose stop request this limit carries out
  std::atomic<bool> stopped{false};        // with (E3)
};

struct stop_limit {
  struct interrupter {
    wait_limit* target;
    void operator()() const noexcept { target->interrupt(); }
  };
  explicit stop_limit(const std::stop_token& its) : token(its), on_stop(its, interrupter{&limit}) {
    limit.token = &token;
  }

  const std::stop_token token;
  wait_limit limit;
  std::stop_callback<interrupter> on_stop;  // its destructor waits for an interrupt under way
};

}  // namespace detail

// Calls `f` and returns its result. When the time is reached, waits in `f` end with timed_out. A
// time of another clock than steady_clock is turned into the time that is left when the call
// begins. If that clock is set later, or goes at another pace, the limit does not follow it: waits
// may end before or after that clock shows the time. Callable from: any fiber or thread.
// Exceptions: those of `f`.
template <class C, class D, class F>
decltype(auto) with_deadline(std::chrono::time_point<C, D> when, F&& f) {
  const detail::wait_limit limit(detail::deadline_at(when));
  return std::invoke(std::forward<F>(f));
}
template <class R, class P, class F>
decltype(auto) with_timeout(std::chrono::duration<R, P> patience, F&& f) {
  const detail::wait_limit limit(detail::deadline_after(patience));
  return std::invoke(std::forward<F>(f));
}

// Calls `f` and returns its result. When a stop is requested of `token`, or if that happened
// before, waits in `f` end with cancelled.
template <class F>
decltype(auto) with_stop(const std::stop_token& token, F&& f) {
  const detail::stop_limit limit(token);
  return std::invoke(std::forward<F>(f));
}

// Calls `f` and returns its result. No stop request and no limit around the call ends a wait in
// `f`: for cleaning up. Limits that are set inside `f` hold.
template <class F>
decltype(auto) shielded(F&& f) {
  const detail::wait_limit limit(detail::no_deadline, true);
  return std::invoke(std::forward<F>(f));
}

namespace this_fiber {

// Tells why a wait that begins now would end at once: cancelled or timed_out. ok: it would not.
// Never parks; the answer ok counts (docs/fibers.md). Callable from: any fiber or thread.
HILO_API status limit_reached() noexcept;

}  // namespace this_fiber
}  // namespace hilo
