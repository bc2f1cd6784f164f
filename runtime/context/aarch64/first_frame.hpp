// The first frame of a fiber on aarch64: the picture at the head of switch.S, which the first
// switch loads. Registers that hilo_context_entry does not read start with whatever value lies
// there.
#pragma once

#include <cstdint>

extern "C" void hilo_context_entry();

namespace hilo::context {

// Returns the stack pointer to continue with.
inline void* lay_first_frame(char* top, void (*entry)(void*), void* argument) noexcept {
  struct frame {
    std::uintptr_t x19, x20, x21_to_x28[8], x29, x30;
    double d8_to_d15[8];
  };
  static_assert(sizeof(frame) == 160);
  auto* const first = reinterpret_cast<frame*>(top - sizeof(frame));
  first->x19 = reinterpret_cast<std::uintptr_t>(entry);
  first->x20 = reinterpret_cast<std::uintptr_t>(argument);
  first->x29 = 0;
  first->x30 = reinterpret_cast<std::uintptr_t>(&hilo_context_entry);
  return first;
}

}  // namespace hilo::context
