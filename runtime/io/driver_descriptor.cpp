#include "runtime/io/driver_descriptor.hpp"

#include "runtime/base/error.hpp"

namespace hilo::io {

void driver_descriptor::take(long made, const char* what, between_forks& guard) {
  if (made < 0) {
    base::fail(static_cast<int>(-made), what,
               "no descriptor is left: see ulimit -n and fs.file-max");
  }
  sys::own_descriptor fresh(static_cast<int>(made));
  sys::own_descriptor& kept = all_.emplace_back();
  guard.keep(fresh);
  kept = std::move(fresh);
  now_.store(&kept, std::memory_order_release);
}

}  // namespace hilo::io
