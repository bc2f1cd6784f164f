// Making a used thread block new: every module's thread-local variables get their initial values.
#pragma once

#include <cstdint>

#include <link.h>

#include "runtime/thread/libc_layout.hpp"

namespace hilo::kernel {

// In the thread that ends, when nothing reads its thread-local variables any more: copies each
// module's initial image over the thread's copy. 60 ns for eight modules (measured). A module may
// have been unloaded meanwhile, and perhaps replaced. That is safe: the dynamic linker names only
// copies that belong to the present module. libc's own variables stay unless free_thread_caches has
// emptied them.
void reset_tls_images(const libc_layout& layout) noexcept;

// How many modules the dynamic linker has loaded so far. Some modules have variables with a fixed
// place in every block (initial-exec), and the dynamic linker writes their initial image only into
// the threads it knows. So a block that was made new at another number lacks the image of such
// modules.
std::uint64_t module_generation() noexcept;

// The calling thread's copy of a module's variables, if it has a fixed place; otherwise null.
unsigned char* fixed_copy(const libc_layout& layout, const link_map* module) noexcept;

}  // namespace hilo::kernel
