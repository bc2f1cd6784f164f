// Finding what glibc has but declares in no header.
//
// In a dynamic program the symbols are looked up by name at run time, so that a libc without one of
// them costs a fall-back and not a failed start. In a static program there is no name to look up,
// but a weak reference is bound by the linker, since pthread_create pulls in every object that
// defines one of these. dlsym itself is weak, because naming it outright makes the linker warn in
// every static program.
#pragma once

#include <dlfcn.h>

#pragma weak dlsym

namespace hilo::kernel {

// `linked` is what the linker bound a weak reference to, or null.
using symbol_lookup = void* (*)(const char* name, void* linked);

inline void* find_libc_symbol(const char* name, void* linked) {
  if (linked != nullptr || &::dlsym == nullptr) return linked;
  return ::dlsym(RTLD_DEFAULT, name);
}

}  // namespace hilo::kernel
