// Time limits of any clock as the one the runtime counts in: CLOCK_MONOTONIC, in nanoseconds.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <type_traits>

#include "hilo/detail/api.hpp"
#include "hilo/detail/decision.hpp"
#include "hilo/detail/waiter.hpp"

namespace hilo::detail {

HILO_API std::int64_t monotonic_now() noexcept;

// A duration from now. What is too far to count is no deadline; what is negative has passed.
template <class R, class P>
std::int64_t deadline_after(std::chrono::duration<R, P> duration) noexcept {
  using namespace std::chrono;
  if (duration <= duration.zero()) return 0;
  // Some 146 years: the sum with now does not overflow.
  constexpr nanoseconds longest = nanoseconds::max() / 2;
  if (std::chrono::duration<double>(duration) >= longest) return no_deadline;
  return monotonic_now() + ceil<nanoseconds>(duration).count();
}

// A time of steady_clock is taken as it is. One of another clock is turned into what is left until
// then; if that clock is set meanwhile, the wait does not follow it.
template <class C, class D>
std::int64_t deadline_at(std::chrono::time_point<C, D> when) noexcept {
  if constexpr (std::is_same_v<C, std::chrono::steady_clock>) {
    using namespace std::chrono;
    if (std::chrono::duration<double>(when.time_since_epoch()) >= nanoseconds::max() / 2) {
      return no_deadline;
    }
    const auto ns = std::max<std::int64_t>(0, ceil<nanoseconds>(when.time_since_epoch()).count());
    if (simulating()) [[unlikely]]
      check_simulated_time(ns);
    return ns;
  } else {
    if (simulating()) [[unlikely]]
      check_simulated_time(1);
    return deadline_after(when - C::now());
  }
}

}  // namespace hilo::detail
