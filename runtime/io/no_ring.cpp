// For builds without liburing (-During=disabled): there is never a ring.
#include <cerrno>

#include "runtime/base/error.hpp"
#include "runtime/io/port.hpp"

namespace hilo::io {

const ring_support& ring_supported() {
  static const auto& none =
      *new ring_support{.error = ENOSYS, .why = "ENOSYS (hilo was built without liburing)"};
  return none;
}

std::unique_ptr<port> open_ring(sched::worker&) {
  base::fail(ENOSYS, "make an io_uring for a carrier", ring_supported().why);
}

}  // namespace hilo::io
