// What templates in public headers see of the carrier that runs them, and the way to it.
//
// A fiber may continue on another carrier after any switch, so the address of a thread-local
// variable must not be kept across one. Compilers do keep it: they may take it as constant within a
// function. The accessor therefore is volatile assembly that reads the variable itself, each time,
// off the thread pointer: two to four instructions (docs/decisions/current-worker.md).
#pragma once

#include <atomic>
#include <cstdint>

#include "hilo/detail/api.hpp"

namespace hilo::detail {

struct fork_list;

// The first part of a worker.
struct carrier {
  // Somebody without work asks for a fork. Written by workers that search or sleep (F2), cleared by
  // this carrier (F3), polled by it at each fork: relaxed, for it publishes nothing. On a line of
  // its own, so that asking costs the asked nothing but the answer.
  alignas(64) std::atomic<std::uint32_t> wanted{0};

  // Of the fiber that runs here; the carrier's own, as is the rest of its line.
  alignas(64) fork_list* forks = nullptr;
};

// The calling thread's carrier; null in a thread that is none.
inline carrier* current_carrier() noexcept {
  carrier* result;
#if defined(__x86_64__)
  asm volatile(
      "movq hilo_current_worker@gottpoff(%%rip), %0\n\t"
      "movq %%fs:(%0), %0"
      : "=r"(result));
#elif defined(__aarch64__)
  void* thread_pointer;
  asm volatile(
      "adrp %0, :gottprel:hilo_current_worker\n\t"
      "mrs %1, tpidr_el0\n\t"
      "ldr %0, [%0, :gottprel_lo12:hilo_current_worker]\n\t"
      "ldr %0, [%1, %0]"
      : "=&r"(result), "=&r"(thread_pointer));
#elif defined(__riscv) && __riscv_xlen == 64
  asm volatile(
      "la.tls.ie %0, hilo_current_worker\n\t"
      "add %0, %0, tp\n\t"
      "ld %0, 0(%0)"
      : "=r"(result));
#else
#error "hilo: no way to the current worker on this CPU; add it here"
#endif
  return result;
}

}  // namespace hilo::detail
