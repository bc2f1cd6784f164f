// hilo::blocking for callers that can be ended while they wait for a spare carrier.
//
// hilo::blocking itself has to call its callable, so nothing ends its wait. A call with a limit
// that has not begun yet can end: nothing was done.
#pragma once

#include <cstdint>

#include "hilo/blocking.hpp"
#include "hilo/status.hpp"

namespace hilo::sched {

class worker;

// As detail::begin_blocking. Parks: while all spare carriers are in use, until the deadline, a
// limit or a stop request. If one of these ended the wait, `end` says which, and the caller is a
// fiber as before: neither does it block, nor does it call end_blocking(). Otherwise `end` is not
// written.
worker* begin_blocking_within(std::int64_t deadline, status& end) noexcept;

// Calls callable() as hilo::blocking does, unless `end` says that its wait for a carrier was ended.
template <class F>
long blocking_within(std::int64_t deadline, status& end, F callable) noexcept {
  worker* const held = begin_blocking_within(deadline, end);
  if (end != status::ok) return 0;
  const long result = callable();
  detail::end_blocking(held);
  return result;
}

}  // namespace hilo::sched
