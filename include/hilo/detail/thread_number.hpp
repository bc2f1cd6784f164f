// A number for each kernel thread, so that a lock of 4 bytes can tell its holder from other
// threads.
//
// A thread gets its number when it first asks, and keeps it. No two threads of a process have the
// same number, except that after 2^31 - 2 threads all further ones share the last number, which
// therefore says nothing.
#pragma once

#include <cstdint>

#include "hilo/detail/api.hpp"

namespace hilo::detail {

inline constexpr std::uint32_t shared_thread_number = 0x7fff'ffff;

// The calling thread's number; 0 if it has none yet. Volatile assembly, for the reason that
// detail/carrier.hpp gives.
inline std::uint32_t known_thread_number() noexcept {
  std::uint32_t result;
#if defined(__x86_64__)
  asm volatile(
      "movq hilo_thread_number@gottpoff(%%rip), %q0\n\t"
      "movl %%fs:(%q0), %0"
      : "=r"(result));
#elif defined(__aarch64__)
  void* offset;
  void* thread_pointer;
  asm volatile(
      "adrp %1, :gottprel:hilo_thread_number\n\t"
      "mrs %2, tpidr_el0\n\t"
      "ldr %1, [%1, :gottprel_lo12:hilo_thread_number]\n\t"
      "ldr %w0, [%2, %1]"
      : "=r"(result), "=&r"(offset), "=&r"(thread_pointer));
#elif defined(__riscv) && __riscv_xlen == 64
  void* place;
  asm volatile(
      "la.tls.ie %1, hilo_thread_number\n\t"
      "add %1, %1, tp\n\t"
      "lwu %0, 0(%1)"
      : "=r"(result), "=&r"(place));
#else
#error "hilo: no way to the thread's number on this CPU; add it here"
#endif
  return result;
}

// Gives the calling thread its number.
[[gnu::cold]] HILO_API std::uint32_t take_thread_number() noexcept;

inline std::uint32_t thread_number() noexcept {
  const std::uint32_t known = known_thread_number();
  return known != 0 ? known : take_thread_number();
}

}  // namespace hilo::detail
