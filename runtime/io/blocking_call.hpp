// Calls for a descriptor that only block, and so are left to hilo::blocking.
#pragma once

#include "hilo/blocking.hpp"

#include "runtime/io/pending.hpp"
#include "runtime/io/port.hpp"

namespace hilo::io {

// call() returns a value, or -errno. It may wait for a carrier before it begins; until it is over
// the descriptor, unless fd is negative, is not closed, so that its number means no other file.
template <class F>
outcome make_blocking(int fd, F call) {
  const operation all(fd);
  if (all.refused()) return {0, status::closed};
  return {hilo::blocking(call)};
}

}  // namespace hilo::io
