// What templates in public headers see of the carrier that runs them, and the way to it.
//
// A fiber may continue on another carrier after any switch, so the address of a thread-local
// variable must not be kept across one. Compilers do keep it: they may take it as constant within a
// function. The accessor therefore is volatile assembly that reads the variable itself, each time,
// off the thread pointer: two instructions (docs/decisions/current-worker.md).
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
#if defined(__x86_64__)
inline carrier* current_carrier() noexcept {
  carrier* result;
  asm volatile(
      "movq hilo_current_worker@gottpoff(%%rip), %0\n\t"
      "movq %%fs:(%0), %0"
      : "=r"(result));
  return result;
}
#else
HILO_API carrier* current_carrier() noexcept;  // out of line, and opaque to the optimiser
#endif

}  // namespace hilo::detail
