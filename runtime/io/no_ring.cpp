// For builds without liburing (-During=disabled): there is never a ring.
#include <cerrno>

#include "runtime/base/error.hpp"
#include "runtime/io/port.hpp"

namespace hilo::io {

ring_support ring_supported() {
  return {.error = ENOSYS, .why = "ENOSYS (hilo was built without liburing)"};
}

bool ring_support::may_change() const noexcept {
  return false;
}

std::unique_ptr<port> open_ring(sched::worker&) {
  base::fail(ENOSYS, "make an io_uring for a carrier", ring_supported().why);
}

}  // namespace hilo::io
