// Whether this libc can give a clone child a thread block of its own.
#pragma once

#include <cstdint>
#include <string>

#include "runtime/thread/libc_layout.hpp"

namespace hilo::kernel {

struct clone_layout {
  const libc_layout* layout = nullptr;  // null: it cannot
  std::string reason;                   // why not
};

// Decided on the first call. This is not the same question as the choice of the threads' backend,
// which may be pthread although blocks are understood.
const clone_layout& understood_layout();

// Where libc keeps the number of the calling thread, which raise() and recursive mutexes compare.
// Null if it was not found. In a child on a copy of our memory, the word still holds the number of
// the child's parent.
std::uint32_t* number_of_caller();

}  // namespace hilo::kernel
