// How the C interface turns its arguments into those of the C++ interface, and results into
// numbers.
#pragma once

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <new>
#include <system_error>
#include <utility>

#include "hilo/c/base.h"
#include "hilo/detail/deadline.hpp"
#include "hilo/detail/waiter.hpp"
#include "hilo/limit.hpp"
#include "hilo/status.hpp"

namespace hilo::c {

constexpr int number_of(status end) noexcept {
  switch (end) {
    case status::ok:
      return 0;
    case status::closed:
      return -EPIPE;
    case status::would_block:
      return -EAGAIN;
    case status::timed_out:
      return -ETIMEDOUT;
    case status::cancelled:
      return -ECANCELED;
    case status::lagged:
    case status::failed:
      break;
  }
  return -EIO;
}

// Calls f(), which returns a number, and turns the exceptions of the C++ interface into numbers.
// Any other exception is a fault of hilo and ends the program.
template <class F>
int guarded(F&& f) noexcept {
  try {
    return std::forward<F>(f)();
  } catch (const std::system_error& error) {
    const int number = error.code().value();
    return number > 0 ? -number : -EIO;
  } catch (const std::bad_alloc&) {
    return -ENOMEM;
  }
}

// Makes an object of the C interface.
template <class T, class... A>
int create(T** made, A&&... arguments) noexcept {
  if (made == nullptr) return -EINVAL;
  return guarded([&] {
    // NOLINTNEXTLINE(bugprone-unhandled-exception-at-new): guarded() handles it
    *made = new T{std::forward<A>(arguments)...};
    return 0;
  });
}
template <class T>
int destroy(T* one) noexcept {
  if (one == nullptr) return -EINVAL;
  delete one;
  return 0;
}

// Reads options whose first member is their size. A later version that adds members will accept the
// sizes of earlier ones.
template <class O>
int read_options(const O* given, O& chosen) noexcept {
  if (given == nullptr) return 0;
  if (given->size != sizeof(O)) return -EINVAL;
  chosen = *given;
  return 0;
}

// The deadline of a call that waits, as detail/ counts it.
constexpr std::int64_t inner_deadline(std::int64_t deadline) noexcept {
  if (deadline == HILO_NO_WAIT) return detail::no_wait;
  return std::max<std::int64_t>(0, deadline);
}

inline std::chrono::steady_clock::time_point time_of(std::int64_t deadline) noexcept {
  return std::chrono::steady_clock::time_point(
      std::chrono::nanoseconds(std::max<std::int64_t>(0, deadline)));
}

// The number for the end of a wait that had this deadline.
constexpr int number_of(status end, std::int64_t deadline) noexcept {
  return end == status::timed_out && deadline == HILO_NO_WAIT ? -EAGAIN : number_of(end);
}

// Calls wait(), which returns a status and can be ended by a limit, with a deadline.
template <class F>
int wait_until(std::int64_t deadline, F&& wait) noexcept {
  if (deadline == HILO_FOREVER) return number_of(std::forward<F>(wait)());
  return number_of(with_deadline(time_of(deadline), std::forward<F>(wait)), deadline);
}

}  // namespace hilo::c
