// The first frame of a fiber on riscv64: the picture at the head of switch.S, which the first
// switch loads. Registers that hilo_context_entry does not read start with whatever value lies
// there.
#pragma once

#include <cstdint>

extern "C" void hilo_context_entry();

namespace hilo::context {

// Returns the stack pointer to continue with.
inline void* lay_first_frame(char* top, void (*entry)(void*), void* argument) noexcept {
  struct frame {
    std::uintptr_t ra, s0, s1, s2, s3_to_s11[9];
    double fs0_to_fs11[12];
    std::uintptr_t unused;
  };
  static_assert(sizeof(frame) == 208);
  auto* const first = reinterpret_cast<frame*>(top - sizeof(frame));
  first->ra = reinterpret_cast<std::uintptr_t>(&hilo_context_entry);
  first->s0 = 0;
  first->s1 = reinterpret_cast<std::uintptr_t>(entry);
  first->s2 = reinterpret_cast<std::uintptr_t>(argument);
  return first;
}

}  // namespace hilo::context
