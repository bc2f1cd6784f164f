#include <cstdint>

#include "runtime/context/context.hpp"

extern "C" void hilo_context_entry();

namespace hilo::context {

void prepare_context(context& to, char* top, entry_function entry, void* argument) noexcept {
  // The picture at the head of switch.S, plus one null word that keeps the alignment and ends the
  // stack for tools that walk frame pointers.
  struct frame {
    std::uintptr_t r15, r14, r13, r12, rbx, rbp, pc, end;
  };
  static_assert(sizeof(frame) == 64);
  auto* first = reinterpret_cast<frame*>(top - sizeof(frame) - 8);
  *first = frame{.r15 = 0,
                 .r14 = 0,
                 .r13 = 0,
                 .r12 = reinterpret_cast<std::uintptr_t>(argument),
                 .rbx = reinterpret_cast<std::uintptr_t>(entry),
                 .rbp = 0,
                 .pc = reinterpret_cast<std::uintptr_t>(&hilo_context_entry),
                 .end = 0};
  to.sp = first;
}

}  // namespace hilo::context
