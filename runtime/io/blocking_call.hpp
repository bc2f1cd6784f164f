// Calls for a descriptor that only block, and so are made as by hilo::blocking.
#pragma once

#include <cstdint>

#include "runtime/io/pending.hpp"
#include "runtime/io/port.hpp"
#include "runtime/sched/blocking.hpp"

namespace hilo::io {

// call() returns a value, or -errno, and does not throw. The call may wait for a spare carrier
// before it begins. That wait ends at the deadline, or by a limit or a stop request. Until the call
// is over the descriptor, unless fd is negative, is not closed, so its number means no other file.
template <class F>
outcome make_blocking(int fd, std::int64_t deadline, F call) noexcept {
  const operation all(fd);
  if (all.refused()) return {0, status::closed};
  status end = status::ok;
  const long value = sched::blocking_within(deadline, end, call);
  return {value, end};
}

}  // namespace hilo::io
