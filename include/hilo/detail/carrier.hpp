// The part of a carrier that templates in public headers see, and the way to the calling carrier.
//
// A fiber may continue on another carrier after any switch, so the address of a thread-local
// variable must not be kept across one. Compilers do keep it, because they may assume that it is
// constant within a function. Therefore the accessor is volatile assembly, which reads the variable
// itself each time, relative to the thread pointer: two to four instructions
// (docs/decisions/current-worker.md).
#pragma once

#include <atomic>
#include <cstdint>

#include "hilo/detail/api.hpp"

namespace hilo::detail {

struct fork_list;

// The first part of a worker.
struct carrier {
  // Not 0: a worker without work asks for a fork. Written by workers that search or sleep (F2),
  // cleared by this carrier (F3), and read by it at each fork: relaxed, because it publishes
  // nothing. It has its own cache line, so a request costs this carrier only the answer.
  alignas(64) std::atomic<std::uint32_t> wanted{0};

  // The list of the fiber that runs here. Only the carrier uses this field and the rest of its
  // line.
  alignas(64) fork_list* forks = nullptr;
};

// The calling thread's carrier; null if the thread is not a carrier.
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
