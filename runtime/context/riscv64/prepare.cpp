#include <cstdint>

#include "runtime/context/context.hpp"

extern "C" void hilo_context_entry();

namespace hilo::context {

void prepare_context(context& to, char* top, entry_function entry, void* argument) noexcept {
  // The picture at the head of switch.S.
  struct frame {
    std::uintptr_t ra, s0, s1, s2, s3_to_s11[9];
    double fs0_to_fs11[12];
    std::uintptr_t unused;
  };
  static_assert(sizeof(frame) == 208);
  auto* first = reinterpret_cast<frame*>(top - sizeof(frame));
  *first = frame{.ra = reinterpret_cast<std::uintptr_t>(&hilo_context_entry),
                 .s0 = 0,
                 .s1 = reinterpret_cast<std::uintptr_t>(entry),
                 .s2 = reinterpret_cast<std::uintptr_t>(argument),
                 .s3_to_s11 = {},
                 .fs0_to_fs11 = {},
                 .unused = 0};
  to.sp = first;
}

}  // namespace hilo::context
