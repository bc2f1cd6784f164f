// Calls that block their kernel thread: system calls that no driver takes, foreign libraries, long
// computations. blocking() gives the carrier's place and all that waits in its queue to a spare
// carrier, so the other fibers run on. Not for what merely might wait a microsecond: it costs some
// microseconds, for another kernel thread is woken.
//
//   addrinfo* found = nullptr;
//   int error = hilo::blocking([&] { return getaddrinfo("example.org", "80", nullptr, &found); });
//
// While the callable runs, the caller is a kernel thread like any other that runs no fiber: what it
// waits for blocks that thread, this_fiber::id() is 0, and fibers are started by runtime::spawn.
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

// Gives the caller's place away; what end_blocking() needs, or null when there was none to give.
HILO_API sched::worker* begin_blocking() noexcept;
// Goes on as a fiber.
HILO_API void end_blocking(sched::worker* held) noexcept;

struct blocking_section {
  blocking_section() noexcept : held(begin_blocking()) {}
  ~blocking_section() { end_blocking(held); }
  blocking_section(const blocking_section&) = delete;
  blocking_section& operator=(const blocking_section&) = delete;
  sched::worker* const held;
};

}  // namespace detail

// Calls callable() on the calling kernel thread, while another one runs the other fibers; returns
// its value or rethrows its exception. The callable is called in any case: no stop request and no
// limit ends the waits of this call. Calls for files (hilo/io.hpp) do end while they wait for a
// spare carrier. A call inside another one, or in a kernel thread that runs no fiber, is only the
// call. Parks: before the call, while all spare carriers are in use
// (runtime_options::spare_carriers); after it, until a carrier is free to go on with the fiber, at
// once if none was needed meanwhile. Callable from: any fiber or thread. Errors: when the kernel
// gives no further thread, the call is made all the same and holds its carrier up.
template <class F>
std::invoke_result_t<F> blocking(F&& callable) {
  const detail::blocking_section section;
  return std::invoke(std::forward<F>(callable));
}

}  // namespace hilo
