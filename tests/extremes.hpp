// Durations and time points at the ends of what their types hold, for tests of timed calls.
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <ratio>
#include <type_traits>

namespace hilo::test {

template <class V>
inline constexpr bool is_duration = false;
template <class R, class P>
inline constexpr bool is_duration<std::chrono::duration<R, P>> = true;

// A clock that counts in unsigned milliseconds from a beginning in the far past, as fast as
// steady_clock, or half as fast.
template <int slower>
struct other_clock {
  using rep = std::uint64_t;
  using period = std::milli;
  using duration = std::chrono::duration<rep, period>;
  using time_point = std::chrono::time_point<other_clock>;
  static constexpr bool is_steady = false;
  static time_point now() noexcept {
    using namespace std::chrono;
    const auto here = steady_clock::now().time_since_epoch();
    return time_point(duration(rep{60'000'000'000'000} +
                               static_cast<rep>(duration_cast<milliseconds>(here).count()) /
                                   static_cast<rep>(slower)));
  }
};

using hours_of_system = std::chrono::time_point<std::chrono::system_clock, std::chrono::hours>;
using seconds_of_system =
    std::chrono::time_point<std::chrono::system_clock, std::chrono::duration<double>>;
using years = std::chrono::duration<std::int64_t, std::ratio<31'556'952>>;
using real_seconds = std::chrono::duration<double>;
inline constexpr double endless = std::numeric_limits<double>::infinity();
inline constexpr double no_number = std::numeric_limits<double>::quiet_NaN();

// The types with which every call is tried, each of which overflows in another way. All calls
// convert times by the same functions, so a few calls are enough for the other types.
template <class V>
inline constexpr bool for_every_call =
    std::is_same_v<V, std::chrono::nanoseconds> || std::is_same_v<V, std::chrono::hours> ||
    std::is_same_v<V, real_seconds> || std::is_same_v<V, std::chrono::steady_clock::time_point> ||
    std::is_same_v<V, hours_of_system> || std::is_same_v<V, other_clock<1>::time_point>;

// Calls check(value) for values that never come.
template <class F>
void each_endless(F check) {
  using namespace std::chrono;
  check(nanoseconds::max());
  check(hours::max());
  check(years::max());
  check(duration<std::uint64_t>::max());
  check(real_seconds(endless));
  check(duration<float, std::ratio<3600>>::max());
  check(steady_clock::time_point::max());
  check(time_point<steady_clock, hours>::max());
  check(system_clock::time_point::max());
  check(hours_of_system::max());
  check(seconds_of_system(real_seconds(endless)));
  check(other_clock<1>::time_point::max());
}

// And for those that have passed.
template <class F>
void each_passed(F check) {
  using namespace std::chrono;
  check(nanoseconds::zero());
  check(nanoseconds(-1));
  check(nanoseconds::min());
  check(hours::min());
  check(years::min());
  check(real_seconds(-endless));
  check(real_seconds(no_number));
  check(steady_clock::time_point::min());
  check(time_point<steady_clock, hours>::min());
  check(system_clock::time_point::min());
  check(hours_of_system::min());
  check(seconds_of_system(real_seconds(-endless)));
  check(seconds_of_system(real_seconds(no_number)));
  check(other_clock<1>::time_point::min());
}

}  // namespace hilo::test

// Calls object.name_for(…) or object.name_until(…), by the type of the last argument.
#define HILO_TIMED(call, value, ...)                                                 \
  [&] {                                                                              \
    if constexpr (::hilo::test::is_duration<std::remove_cvref_t<decltype(value)>>) { \
      return call##_for(__VA_ARGS__ __VA_OPT__(, ) value);                           \
    } else {                                                                         \
      return call##_until(__VA_ARGS__ __VA_OPT__(, ) value);                         \
    }                                                                                \
  }()
