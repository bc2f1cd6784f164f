#include <cstdint>

#include "runtime/context/context.hpp"

extern "C" void hilo_context_entry();

namespace hilo::context {

void prepare_context(context& to, char* top, entry_function entry, void* argument) noexcept {
  // The picture at the head of switch.S.
  struct frame {
    std::uintptr_t x19, x20, x21_to_x28[8], x29, x30;
    double d8_to_d15[8];
  };
  static_assert(sizeof(frame) == 160);
  auto* first = reinterpret_cast<frame*>(top - sizeof(frame));
  *first = frame{.x19 = reinterpret_cast<std::uintptr_t>(entry),
                 .x20 = reinterpret_cast<std::uintptr_t>(argument),
                 .x21_to_x28 = {},
                 .x29 = 0,
                 .x30 = reinterpret_cast<std::uintptr_t>(&hilo_context_entry),
                 .d8_to_d15 = {}};
  to.sp = first;
}

}  // namespace hilo::context
