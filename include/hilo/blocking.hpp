// For calls that block their kernel thread: system calls that no driver supports, foreign
// libraries, long computations. blocking() gives the carrier's place, and all fibers in its queue,
// to a spare carrier, so the other fibers run on. Not for a call that waits only about a
// microsecond, because blocking() wakes another kernel thread, and that costs some microseconds.
//
//   addrinfo* found = nullptr;
//   int error = hilo::blocking([&] { return getaddrinfo("example.org", "80", nullptr, &found); });
//
// While the callable runs, the caller counts as a kernel thread that runs no fiber: its waits block
// that thread, this_fiber::id() is 0, and runtime::spawn starts fibers.
#pragma once

#include <functional>
#include <type_traits>
#include <utility>

#include "hilo/detail/api.hpp"

namespace hilo {

namespace sched {
class worker;
}

namespace detail {

// Gives the caller's place away. Returns the worker for end_blocking(); null if the caller had no
// place.
HILO_API sched::worker* begin_blocking() noexcept;
// The caller continues as a fiber.
HILO_API void end_blocking(sched::worker* held) noexcept;

struct blocking_section {
  blocking_section() noexcept : held(begin_blocking()) {}
  ~blocking_section() { end_blocking(held); }
  blocking_section(const blocking_section&) = delete;
  blocking_section& operator=(const blocking_section&) = delete;
  sched::worker* const held;
};

}  // namespace detail

// Calls callable() on the calling kernel thread, while another thread runs the other fibers.
// Returns its value or rethrows its exception. The callable is called in any case: no stop request
// and no limit ends the waits of blocking(). (Calls for files, hilo/io.hpp, are different: a limit
// ends their wait for a spare carrier.) Inside another blocking(), or in a kernel thread that runs
// no fiber, blocking() only calls callable(). Parks: before the call, while all spare carriers are
// in use (runtime_options::spare_carriers); after it, until a carrier is free to go on with the
// fiber, at once if none was needed meanwhile. Callable from: any fiber or thread. Errors: if the
// kernel gives no further thread, the callable still runs, and holds its carrier up.
template <class F>
std::invoke_result_t<F> blocking(F&& callable) {
  const detail::blocking_section section;
  return std::invoke(std::forward<F>(callable));
}

}  // namespace hilo
