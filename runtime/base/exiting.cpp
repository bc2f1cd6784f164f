#include "runtime/base/exiting.hpp"

#include <cstdint>
#include <cstdlib>
#include <cstring>

#include <dlfcn.h>
#include <unwind.h>

// In a static program the linker binds dladdr only if something else brings it in.
#pragma weak dladdr

namespace hilo::base {
namespace {

// Compares the address, then the name: a program that takes the address of exit may see another
// address than libc does.
bool is_exit(std::uintptr_t call) noexcept {
  auto* const at = reinterpret_cast<void*>(call - 1);  // within the call instruction
  if (_Unwind_FindEnclosingFunction(at) == reinterpret_cast<void*>(&std::exit)) return true;
  Dl_info about{};
  return &::dladdr != nullptr && ::dladdr(at, &about) != 0 && about.dli_sname != nullptr &&
         std::strcmp(about.dli_sname, "exit") == 0;
}

_Unwind_Reason_Code look_at(_Unwind_Context* frame, void* found) {
  const std::uintptr_t call = _Unwind_GetIP(frame);
  if (call == 0) return _URC_END_OF_STACK;
  if (!is_exit(call)) return _URC_NO_REASON;
  *static_cast<bool*>(found) = true;
  return _URC_END_OF_STACK;
}

}  // namespace

bool in_exit() noexcept {
  bool found = false;
  (void)_Unwind_Backtrace(look_at, &found);
  return found;
}

}  // namespace hilo::base
