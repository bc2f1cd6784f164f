// Raw system calls: sys::call(SYS_xxx, ...) returns the kernel's result, which is a negative errno
// on failure. The calls never touch errno. So they can be used where there is no libc thread block
// yet, in a child that shares memory with its parent, and in a signal handler.
//
// A CPU adds one folder with call0 … call6; nothing here changes.
#pragma once

#include <type_traits>

#include <sys/syscall.h>

#if defined(__x86_64__)
#include "runtime/sys/x86_64/syscall.hpp"
#elif defined(__aarch64__)
#include "runtime/sys/aarch64/syscall.hpp"
#elif defined(__riscv) && __riscv_xlen == 64
#include "runtime/sys/riscv64/syscall.hpp"
#else
#error "hilo: no system call sequence for this CPU; add runtime/sys/<cpu>/syscall.hpp"
#endif

namespace hilo::sys {

// Converts an argument to the form in which registers carry it.
template <class T>
long word(T value) noexcept {
  static_assert(sizeof(T) <= sizeof(long), "a system call argument fits in one register");
  if constexpr (std::is_pointer_v<T>) {
    return reinterpret_cast<long>(value);
  } else if constexpr (std::is_null_pointer_v<T>) {
    return 0;
  } else {
    return static_cast<long>(value);
  }
}

template <class... Arguments>
long call(long number, Arguments... arguments) noexcept {
  static_assert(sizeof...(Arguments) <= 6, "Linux system calls take at most six arguments");
  if constexpr (sizeof...(Arguments) == 0) return cpu::call0(number);
  if constexpr (sizeof...(Arguments) == 1) return cpu::call1(number, word(arguments)...);
  if constexpr (sizeof...(Arguments) == 2) return cpu::call2(number, word(arguments)...);
  if constexpr (sizeof...(Arguments) == 3) return cpu::call3(number, word(arguments)...);
  if constexpr (sizeof...(Arguments) == 4) return cpu::call4(number, word(arguments)...);
  if constexpr (sizeof...(Arguments) == 5) return cpu::call5(number, word(arguments)...);
  if constexpr (sizeof...(Arguments) == 6) return cpu::call6(number, word(arguments)...);
}

}  // namespace hilo::sys
