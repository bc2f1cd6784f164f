// How the primitives of hilo::kernel sleep: a kernel thread in a futex, on a word of the primitive.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <type_traits>

#include "hilo/detail/api.hpp"

namespace hilo::detail {

using kernel_word = std::atomic<std::uint32_t>;
using kernel_deadline = std::chrono::steady_clock::time_point;

// Sleeps while the word holds `value`; also returns for no reason, so callers loop.
HILO_API void kernel_sleep(const kernel_word& word, std::uint32_t value) noexcept;
// The same; false when the deadline passed. A thread that was woken gets true, also after the
// deadline: a wake is never lost in one that gives up. Null: no deadline.
HILO_API bool kernel_sleep(const kernel_word& word, std::uint32_t value,
                           const kernel_deadline* deadline) noexcept;
// Wakes sleepers and says how many. Only the word's address is used, so it may be gone by now.
HILO_API long kernel_wake_one(const kernel_word* word) noexcept;
HILO_API long kernel_wake_all(const kernel_word* word) noexcept;

// Ends the process with "hilo: <what>".
[[noreturn, gnu::cold]] HILO_API void kernel_misuse(const char* what) noexcept;

// Now and a duration of any kind, which may be too long for the clock.
template <class Rep, class Period>
kernel_deadline kernel_time_after(const std::chrono::duration<Rep, Period>& patience) {
  using clock = std::chrono::steady_clock;
  const auto now = clock::now();
  using wide = std::chrono::duration<long double>;
  if (patience <= patience.zero()) return now;
  if (wide(patience) >= wide(kernel_deadline::max() - now)) return kernel_deadline::max();
  return now + std::chrono::ceil<clock::duration>(patience);
}

// Calls attempt(deadline) until it is true or `until` has passed on its own clock, which may be set
// meanwhile, unlike the clock that futexes count in.
template <class Clock, class Duration, class Attempt>
bool attempt_until(const std::chrono::time_point<Clock, Duration>& until, Attempt&& attempt) {
  if constexpr (std::is_same_v<std::chrono::time_point<Clock, Duration>, kernel_deadline>) {
    return attempt(until);
  } else {
    do {
      if (attempt(kernel_time_after(until - Clock::now()))) return true;
    } while (Clock::now() < until);
    return false;
  }
}

}  // namespace hilo::detail
