// The entry to the kernel that makes a new thread of control on a stack of its own.
//
// The child of clone returns from the same instruction as the parent, with 0 in the result register
// and its own stack pointer. With shared memory it may not return through C++: the frames above
// belong to the parent, who is using them. So the child stays in assembly until nothing of the
// parent is left: it takes an entry and an argument from its own stack, zeroes the frame pointer,
// leaves a null return address, and enters C++ as the first frame of its stack.
#pragma once

#include <cstdint>

namespace hilo::sys {

// The two words the child finds where its stack pointer starts; 16-byte aligned, and everything
// below them is its stack.
struct alignas(16) clone_start {
  void (*entry)(void* argument);  // never returns
  void* argument;
};
static_assert(sizeof(clone_start) == 16, "the assembly reads two words");

// Returns the child's tid in the caller, or -errno and no child. The arguments are the kernel's own
// on x86-64; a CPU whose kernel takes them in another order puts them right in its clone.S.
extern "C" [[gnu::visibility("hidden")]] long hilo_sys_clone(unsigned long flags,
                                                             clone_start* stack,
                                                             std::uint32_t* parent_tid,
                                                             std::uint32_t* child_tid,
                                                             void* thread_pointer) noexcept;

}  // namespace hilo::sys
