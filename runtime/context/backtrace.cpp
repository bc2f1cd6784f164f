#include "runtime/context/backtrace.hpp"

#include <unwind.h>

// call_above.S
extern "C" void hilo_call_above(void* sp, void (*call)(void*), void* argument);

namespace hilo::context {
namespace {

struct stack_walk {
  // Only frames whose stack pointer is in this range count. So the frames of the walker itself,
  // which come first, are left out.
  std::uintptr_t low;
  std::uintptr_t top;
  std::uintptr_t* code;
  std::size_t room;
  bool (*left_out)(std::uintptr_t) noexcept;
  std::size_t count = 0;
};

_Unwind_Reason_Code take_frame(_Unwind_Context* frame, void* argument) {
  stack_walk& so_far = *static_cast<stack_walk*>(argument);
  int before = 0;
  const std::uintptr_t address = _Unwind_GetIPInfo(frame, &before);
  if (address == 0 || so_far.count == so_far.room) return _URC_END_OF_STACK;
  const std::uintptr_t sp = _Unwind_GetCFA(frame);
  if (sp < so_far.low || sp > so_far.top) {
    return so_far.count == 0 ? _URC_NO_REASON : _URC_END_OF_STACK;
  }
  if (so_far.count == 0 && so_far.left_out != nullptr &&
      so_far.left_out(_Unwind_GetRegionStart(frame))) {
    return _URC_NO_REASON;
  }
  so_far.code[so_far.count++] = address - (before != 0 ? 0 : 1);
  return _URC_NO_REASON;
}

void begin_walk(void* argument) {
  (void)_Unwind_Backtrace(take_frame, argument);
}

}  // namespace

std::size_t walk_suspended(const context& one, const char* top,
                           bool (*left_out)(std::uintptr_t) noexcept, std::uintptr_t* code,
                           std::size_t room) noexcept {
  stack_walk all{.low = reinterpret_cast<std::uintptr_t>(one.sp),
                 .top = reinterpret_cast<std::uintptr_t>(top),
                 .code = code,
                 .room = room,
                 .left_out = left_out};
  hilo_call_above(one.sp, begin_walk, &all);
  return all.count;
}

std::size_t walk_here(std::uintptr_t* code, std::size_t room) noexcept {
  stack_walk all{.low = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0)),
                 .top = UINTPTR_MAX,
                 .code = code,
                 .room = room,
                 .left_out = nullptr};
  begin_walk(&all);
  return all.count;
}

}  // namespace hilo::context
