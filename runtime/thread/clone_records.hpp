// The records that clone made and will use again. They serve threads and the children of
// hilo::clone that share memory: both can use a warm block or stack.
#pragma once

#include "runtime/thread/record_cache.hpp"

namespace hilo::kernel {

record_cache& clone_records();

}  // namespace hilo::kernel
