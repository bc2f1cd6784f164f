// Finding what glibc has but declares in no header.
//
// In a dynamic program the symbols are looked up by name at run time. If a libc lacks a symbol,
// hilo falls back and the program still starts. In a static program there is no name to look up,
// but the linker binds a weak reference, because pthread_create pulls in every object that defines
// one of these symbols. dlsym itself is weak, because a strong reference makes the linker warn in
// every static program.
#pragma once

#include <dlfcn.h>

#pragma weak dlsym

namespace hilo::kernel {

// `linked` is the address to which the linker bound a weak reference, or null.
using symbol_lookup = void* (*)(const char* name, void* linked);

inline void* find_libc_symbol(const char* name, void* linked) {
  if (linked != nullptr || &::dlsym == nullptr) return linked;
  return ::dlsym(RTLD_DEFAULT, name);
}

}  // namespace hilo::kernel
