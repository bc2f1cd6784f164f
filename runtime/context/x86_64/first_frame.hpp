// The first frame of a fiber on x86-64: the picture at the head of switch.S, which the first switch
// loads. Registers that hilo_context_entry does not read start with whatever value lies there.
#pragma once

#include <cstdint>

extern "C" void hilo_context_entry();

namespace hilo::context {

// Returns the stack pointer to continue with.
inline void* lay_first_frame(char* top, void (*entry)(void*), void* argument) noexcept {
  // One word more than a multiple of 16 below the top keeps the alignment. That word is null and
  // ends the stack for tools that walk frame pointers.
  struct frame {
    std::uintptr_t r15, r14, r13, r12, rbx, rbp, pc, end;
  };
  static_assert(sizeof(frame) == 64);
  auto* const first = reinterpret_cast<frame*>(top - sizeof(frame) - 8);
  first->r12 = reinterpret_cast<std::uintptr_t>(argument);
  first->rbx = reinterpret_cast<std::uintptr_t>(entry);
  first->rbp = 0;
  first->pc = reinterpret_cast<std::uintptr_t>(&hilo_context_entry);
  first->end = 0;
  return first;
}

}  // namespace hilo::context
