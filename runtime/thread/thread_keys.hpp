// The end of pthread_setspecific values: their destructors, run as glibc runs them.
#pragma once

#include "runtime/thread/libc_layout.hpp"

namespace hilo::kernel {

// In the thread that ends: calls the destructor of every live key whose value is not null. Makes up
// to PTHREAD_DESTRUCTOR_ITERATIONS rounds, because destructors may set values again. Afterwards all
// values are null, and the tables stay with the block.
void run_key_destructors(const libc_layout& layout, unsigned char* block) noexcept;

}  // namespace hilo::kernel
