// How the primitives of hilo::kernel sleep: a kernel thread in a futex, on a word of the primitive.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <type_traits>

#include "hilo/detail/api.hpp"
#include "hilo/detail/nanoseconds.hpp"

namespace hilo::detail {

using kernel_word = std::atomic<std::uint32_t>;
using kernel_deadline = std::chrono::steady_clock::time_point;

// Sleeps while the word holds `value`. May also return without a reason, so callers loop.
HILO_API void kernel_sleep(const kernel_word& word, std::uint32_t value) noexcept;
// The same; false if the deadline passed. A thread that was woken gets true, also after the
// deadline, so a wake is never lost to a thread that gives up. Null: no deadline.
HILO_API bool kernel_sleep(const kernel_word& word, std::uint32_t value,
                           const kernel_deadline* deadline) noexcept;
// Wakes sleepers and returns their number. Uses only the address of the word, so the word itself
// may already be gone.
HILO_API long kernel_wake_one(const kernel_word* word) noexcept;
HILO_API long kernel_wake_all(const kernel_word* word) noexcept;

// Ends the process with "hilo: <what>".
[[noreturn, gnu::cold]] HILO_API void kernel_misuse(const char* what) noexcept;

// Now plus a duration of any kind. A time too far to count becomes the last time of the clock,
// which means never.
template <class Rep, class Period>
kernel_deadline kernel_time_after(const std::chrono::duration<Rep, Period>& patience) {
  const std::int64_t ns = std::max<std::int64_t>(0, nanoseconds_of(patience));
  const std::chrono::nanoseconds now = kernel_deadline::clock::now().time_since_epoch();
  return kernel_deadline(std::chrono::nanoseconds(nanoseconds_later(now.count(), ns)));
}

// A time of any clock. For a clock other than steady_clock: now plus the time left.
template <class Clock, class Duration>
kernel_deadline kernel_time_at(const std::chrono::time_point<Clock, Duration>& when) {
  if constexpr (std::is_same_v<Clock, kernel_deadline::clock>) {
    return kernel_deadline(std::chrono::nanoseconds(nanoseconds_of(when.time_since_epoch())));
  } else {
    return kernel_time_after(std::chrono::nanoseconds(nanoseconds_until(when)));
  }
}

// Calls attempt(deadline) until it is true or `until` has passed on its own clock. That clock may
// be set meanwhile; the clock of futexes cannot. If it is set forward, the wait ends late.
template <class Clock, class Duration, class Attempt>
bool attempt_until(const std::chrono::time_point<Clock, Duration>& until, Attempt&& attempt) {
  if constexpr (std::is_same_v<Clock, kernel_deadline::clock>) {
    return attempt(kernel_time_at(until));
  } else {
    do {
      if (attempt(kernel_time_at(until))) return true;
    } while (nanoseconds_until(until) > 0);
    return false;
  }
}

}  // namespace hilo::detail
