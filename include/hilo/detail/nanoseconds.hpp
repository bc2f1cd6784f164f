// Durations and time points of every type as nanoseconds: the only such conversion in the library.
//
// It saturates: a time too far to count becomes the end of the range, and so does infinity. It is
// exact for reps that count in whole numbers, of any size and sign, and rounds up, so that no wait
// ends early. NaN is not a time to wait for: it counts as a time long past.
//
// A period P is factor / divisor nanoseconds. Before a count is multiplied, it is compared with the
// largest count that fits, so nothing can overflow.
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <numeric>
#include <type_traits>

namespace hilo::detail {

__extension__ typedef __int128 int128;            // NOLINT: no alias takes __extension__
__extension__ typedef unsigned __int128 uint128;  // NOLINT: as above

enum class rounding : bool { down, up };

template <class Rep>
inline constexpr bool counts_wholly =
    std::is_integral_v<Rep> || std::is_same_v<Rep, int128> || std::is_same_v<Rep, uint128>;

// The range of a result. The wide range is for the times of a clock, because its beginning may be
// more than 292 years away; two such times can be subtracted.
template <class To>
inline constexpr To last_nanosecond = std::numeric_limits<std::int64_t>::max();
template <>
inline constexpr int128 last_nanosecond<int128> = int128{1} << 125;
template <class To>
inline constexpr To first_nanosecond = -last_nanosecond<To>;

template <class To, rounding direction, class Rep, class Period>
constexpr To whole_nanoseconds(Rep count) noexcept {
  constexpr std::int64_t second = 1'000'000'000;
  constexpr std::int64_t shared = std::gcd(second, Period::den);
  constexpr int128 factor = int128{Period::num} * (second / shared);
  constexpr std::int64_t divisor = Period::den / shared;
  // The product stays below 2^126.
  constexpr int128 most =
      (sizeof(To) > 8 ? last_nanosecond<To> : last_nanosecond<To> * int128{divisor}) / factor;

  // A rep with a narrower range needs no comparison.
  constexpr bool is_signed = static_cast<Rep>(-1) < static_cast<Rep>(1);
  if constexpr (std::is_same_v<Rep, uint128> ||
                most < static_cast<int128>(std::numeric_limits<Rep>::max())) {
    if (count > static_cast<Rep>(most)) return last_nanosecond<To>;
    if constexpr (is_signed) {
      if (count < -static_cast<Rep>(most)) return first_nanosecond<To>;
    }
  }
  if constexpr (most == 0) {
    return 0;  // the count is
  } else if constexpr (divisor == 1) {
    return static_cast<To>(count) * static_cast<To>(factor);
  } else {
    using number =
        std::conditional_t<factor == 1 && sizeof(Rep) <= 8,
                           std::conditional_t<is_signed, std::int64_t, std::uint64_t>, int128>;
    const number product = static_cast<number>(count) * static_cast<number>(factor);
    const auto whole = static_cast<To>(product / static_cast<number>(divisor));
    const number rest = product % static_cast<number>(divisor);
    if constexpr (direction == rounding::up) {
      return whole + (rest > 0 ? 1 : 0);
    } else {
      return whole - (rest < 0 ? 1 : 0);
    }
  }
}

template <class To, rounding direction, class Real, class Period>
constexpr To real_nanoseconds(Real count) noexcept {
  constexpr auto end = static_cast<Real>(sizeof(To) > 8 ? 0x1p125 : 0x1p63);
  if (count != count) return first_nanosecond<To>;  // NaN: no operation makes one in a constant
  const Real exact = count * static_cast<Real>(Period::num) * Real{1e9} / Real{Period::den};
  if (exact <= -end) return first_nanosecond<To>;
  if (exact >= end) return last_nanosecond<To>;
  const auto whole = static_cast<To>(exact);  // towards 0
  const auto back = static_cast<Real>(whole);
  if constexpr (direction == rounding::up) {
    return whole + (back < exact || (count > 0 && whole == 0) ? 1 : 0);
  } else {
    return whole - (back > exact ? 1 : 0);
  }
}

// Reps of other types are converted to long double.
template <class To, rounding direction, class Rep, class Period>
constexpr To nanoseconds_of(const std::chrono::duration<Rep, Period>& time) noexcept {
  if constexpr (counts_wholly<Rep>) {
    return whole_nanoseconds<To, direction, Rep, Period>(time.count());
  } else if constexpr (std::is_floating_point_v<Rep>) {
    using real = std::common_type_t<Rep, double>;
    return real_nanoseconds<To, direction, real, Period>(time.count());
  } else {
    return real_nanoseconds<To, direction, long double, Period>(
        static_cast<long double>(time.count()));
  }
}

// A duration, rounded up.
template <class Rep, class Period>
constexpr std::int64_t nanoseconds_of(const std::chrono::duration<Rep, Period>& time) noexcept {
  return nanoseconds_of<std::int64_t, rounding::up>(time);
}

// A duration of any type, for a field of options: chrono's own conversion to nanoseconds overflows.
class any_duration {
 public:
  template <class Rep, class Period>
  constexpr any_duration(const std::chrono::duration<Rep, Period>& time) noexcept  // NOLINT
      : value_(nanoseconds_of(time)) {}
  constexpr operator std::chrono::nanoseconds() const noexcept { return value_; }  // NOLINT

 private:
  std::chrono::nanoseconds value_;
};

// The time `ns`, which is not negative, after `from`.
constexpr std::int64_t nanoseconds_later(std::int64_t from, std::int64_t ns) noexcept {
  std::int64_t sum = 0;
  return __builtin_add_overflow(from, ns, &sum) ? last_nanosecond<std::int64_t> : sum;
}

// The time left from one time of a clock to another; 0 or less if the other has come.
template <class From, class Until>
constexpr std::int64_t nanoseconds_between(const From& from, const Until& until) noexcept {
  const int128 left =
      nanoseconds_of<int128, rounding::up>(until) - nanoseconds_of<int128, rounding::down>(from);
  if (left > last_nanosecond<std::int64_t>) return last_nanosecond<std::int64_t>;
  return left < 0 ? -1 : static_cast<std::int64_t>(left);
}

// The same, from the clock's present time.
template <class Clock, class Duration>
std::int64_t nanoseconds_until(const std::chrono::time_point<Clock, Duration>& when) noexcept {
  return nanoseconds_between(Clock::now().time_since_epoch(), when.time_since_epoch());
}

}  // namespace hilo::detail
