// hilo::blocking for callers whose wait for a spare carrier can be ended.
//
// hilo::blocking itself must call its callable, so its wait cannot be ended. A call with a limit
// can end before it begins: nothing was done yet.
#pragma once

#include <cstdint>

#include "hilo/blocking.hpp"
#include "hilo/status.hpp"

namespace hilo::sched {

class worker;

// As detail::begin_blocking. Parks while all spare carriers are in use, until the deadline, a limit
// or a stop request. If one of these ended the wait, `end` says which of them. The caller is then
// still an ordinary fiber: it does not make the blocking call, and does not call end_blocking(). If
// the wait was not ended, `end` is not written.
worker* begin_blocking_within(std::int64_t deadline, status& end) noexcept;

// Calls callable() as hilo::blocking does, except if `end` says that the wait for a carrier was
// ended.
template <class F>
long blocking_within(std::int64_t deadline, status& end, F callable) noexcept {
  worker* const held = begin_blocking_within(deadline, end);
  if (end != status::ok) return 0;
  const long result = callable();
  detail::end_blocking(held);
  return result;
}

}  // namespace hilo::sched
