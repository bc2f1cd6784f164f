// The one way to the current worker.
//
// A fiber may continue on another carrier after any switch, so the address of a thread-local
// variable must not be kept across one. Compilers do keep it: they may take it as constant within a
// function. The accessor therefore is volatile assembly that reads the variable itself, each time,
// off the thread pointer. Two instructions; null in a thread that is no carrier.
//
// Why not gs (x86-64), which libc leaves free: a foreign thread has gs at 0, so reading through it
// faults, and asking first (rdgsbase) measures 0.84 ns against 0.28 ns for this.
#pragma once

namespace hilo::sched {

class worker;

#if defined(__x86_64__)

extern "C" {
[[gnu::visibility("hidden"),
  gnu::tls_model("initial-exec")]] extern constinit thread_local worker* hilo_current_worker;
}

inline worker* current_worker() noexcept {
  worker* result;
  asm volatile(
      "movq hilo_current_worker@gottpoff(%%rip), %0\n\t"
      "movq %%fs:(%0), %0"
      : "=r"(result));
  return result;
}

#else

// Out of line, and opaque to the optimiser.
worker* current_worker() noexcept;

#endif

void set_current_worker(worker* one) noexcept;

}  // namespace hilo::sched
