// The records that clone made and will use again: of threads, and of the children of hilo::clone
// that share memory. A warm block or stack serves either.
#pragma once

#include "runtime/thread/record_cache.hpp"

namespace hilo::kernel {

record_cache& clone_records();

}  // namespace hilo::kernel
