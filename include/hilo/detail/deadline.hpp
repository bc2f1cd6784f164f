// Converts time limits of any clock to the clock of the runtime: CLOCK_MONOTONIC, in nanoseconds.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "hilo/detail/api.hpp"
#include "hilo/detail/decision.hpp"
#include "hilo/detail/nanoseconds.hpp"
#include "hilo/detail/waiter.hpp"
#include "hilo/status.hpp"

namespace hilo {
namespace detail {

HILO_API std::int64_t monotonic_now() noexcept;
// As this_fiber::limit_reached (hilo/limit.hpp), but it does not count.
HILO_API status limit_now() noexcept;

// A duration from now. If it is too far to count, the result is no_deadline; a negative duration
// has passed.
template <class R, class P>
std::int64_t deadline_after(const std::chrono::duration<R, P>& duration) noexcept {
  const std::int64_t ns = nanoseconds_of(duration);
  if (ns <= 0) return 0;
  return nanoseconds_later(monotonic_now(), ns);
}

// No program waits longer. The last time of another clock is farther away (that of system_clock is
// in 2262), and means never.
inline constexpr std::int64_t century = std::int64_t{36'525} * 24 * 3600 * 1'000'000'000;

// A time of steady_clock is used as it is. A time of another clock is turned into the time left; if
// that clock is set meanwhile, the deadline does not follow it: see wait_until_time().
template <class C, class D>
std::int64_t deadline_at(const std::chrono::time_point<C, D>& when) noexcept {
  if constexpr (std::is_same_v<C, std::chrono::steady_clock>) {
    const std::int64_t ns = std::max<std::int64_t>(0, nanoseconds_of(when.time_since_epoch()));
    if (simulating()) [[unlikely]]
      check_simulated_time(ns);
    return ns;
  } else {
    const std::int64_t left = nanoseconds_until(when);
    if (left <= 0) return 0;
    if (left >= century) return no_deadline;
    if (simulating()) [[unlikely]]
      check_simulated_time(1);
    return nanoseconds_later(monotonic_now(), left);
  }
}

// Whether the time has come by its own clock, after a wait that timed out.
template <class C, class D>
bool has_come(const std::chrono::time_point<C, D>& when) noexcept {
  if constexpr (std::is_same_v<C, std::chrono::steady_clock>) return true;
  return nanoseconds_until(when) <= 0;
}

constexpr bool is_timed_out(status end) noexcept {
  return end == status::timed_out;
}
constexpr bool is_timed_out(bool done) noexcept {
  return !done;
}

// Calls wait(deadline), which returns a status, or a bool that is false if the wait was ended. If
// the clock is not steady_clock, it may be set back meanwhile, or go slower. The call then waits
// again, so that it does not time out before `when` has come by that clock. If the clock is set
// forward, the wait ends late.
enum class ended_by_limits : bool { no, yes };  // whether a limit around the call can end the wait
template <ended_by_limits limited = ended_by_limits::yes, class C, class D, class Wait>
auto wait_until_time(const std::chrono::time_point<C, D>& when, Wait&& wait) {
  if constexpr (std::is_same_v<C, std::chrono::steady_clock>) {
    return std::forward<Wait>(wait)(deadline_at(when));
  } else {
    while (true) {
      auto end = wait(deadline_at(when));
      if (!is_timed_out(end) || has_come(when)) return end;
      if (limited == ended_by_limits::yes && limit_now() != status::ok) return end;
    }
  }
}

}  // namespace detail
}  // namespace hilo
