// Calls for a descriptor that can only block. They are made as by hilo::blocking.
#pragma once

#include <cstdint>

#include "runtime/io/pending.hpp"
#include "runtime/io/port.hpp"
#include "runtime/sched/blocking/blocking.hpp"

namespace hilo::io {

// call() returns a value, or -errno, and does not throw. The call may wait for a spare carrier
// before it begins. That wait ends at the deadline, or by a limit or a stop request. Unless fd is
// negative, the descriptor is not closed before the call is over. So its number cannot come to mean
// another file.
template <class F>
outcome make_blocking(int fd, std::int64_t deadline, F call) noexcept {
  const operation all(fd);
  if (all.refused()) return {0, status::closed};
  status end = status::ok;
  const long value = sched::blocking_within(deadline, end, call);
  return {value, end};
}

}  // namespace hilo::io
