// The entry to the kernel that makes a new thread of control on a stack of its own.
//
// The child of clone returns from the same instruction as the parent, with 0 in the result register
// and its own stack pointer. If the memory is shared, the child must not return through C++: the
// frames above belong to the parent, which is using them. So the child stays in assembly until it
// has left everything that belongs to the parent. It takes an entry and an argument from its own
// stack, zeroes the frame pointer, leaves a null return address, and enters C++ as the first frame
// of its stack.
#pragma once

#include <cstdint>

namespace hilo::sys {

// The two words that the child finds where its stack pointer starts. 16-byte aligned; everything
// below them is the child's stack.
struct alignas(16) clone_start {
  void (*entry)(void* argument);  // never returns
  void* argument;
};
static_assert(sizeof(clone_start) == 16, "the assembly reads two words");

// Returns the child's tid in the caller. If it fails: returns -errno, and there is no child. The
// arguments are the kernel's own on x86-64. If a CPU's kernel takes them in another order, the
// clone.S of that CPU reorders them.
extern "C" [[gnu::visibility("hidden")]] long hilo_sys_clone(unsigned long flags,
                                                             clone_start* stack,
                                                             std::uint32_t* parent_tid,
                                                             std::uint32_t* child_tid,
                                                             void* thread_pointer) noexcept;

}  // namespace hilo::sys
