// How a call of hilo/io.hpp is made. In a fiber: by the ring or by epoll. Elsewhere: by plain
// system calls.
#pragma once

#include <cerrno>
#include <cstdint>
#include <type_traits>

#include "hilo/detail/decision.hpp"
#include "hilo/detail/waiter.hpp"
#include "hilo/result.hpp"

#include "runtime/io/port.hpp"
#include "runtime/io/request.hpp"
#include "runtime/sched/current.hpp"

namespace hilo::io {

outcome make(const request& one, std::int64_t deadline) noexcept;

// The same, in a thread that does not run a fiber.
outcome make_in_thread(const request& one, std::int64_t deadline) noexcept;

// The result of a call of hilo/io.hpp for an outcome.
template <class T>
result<T> refused(const outcome& what) noexcept {
  switch (what.why) {
    case status::timed_out:
      return {what.why, ETIMEDOUT};
    case status::closed:
      return {what.why, EBADF};
    case status::cancelled:
      return {what.why, ECANCELED};
    default:
      return {status::failed, static_cast<int>(-what.value)};
  }
}

template <class T>
result<T> value_of(const outcome& what) noexcept {
  if (what.why != status::ok || what.value < 0) return refused<T>(what);
  if constexpr (std::is_void_v<T>) {
    return {};
  } else {
    return static_cast<T>(what.value);
  }
}

// Makes a call that never waits: would_block if it would have to.
template <class T>
result<T> try_call(const request& one) noexcept {
  if (detail::simulating() && sched::current_worker() != nullptr) [[unlikely]]
    detail::refuse_simulated("I/O");
  long value;
  do {
    value = attempt(one);
  } while (value == -EINTR);
  if (value != -EAGAIN) return value_of<T>({value});
  detail::count_eager();
  return {status::would_block, EAGAIN};
}

}  // namespace hilo::io
