// Probes for bpftrace, perf, SystemTap and gdb (USDT): the events of a trace, where they happen.
//
// The kernel, or gdb, counts in a word of this process (a semaphore) how many tools look. All
// probes have the same word, and it is one of the wishes of trace_wishes: while a tool looks, the
// workers leave the quick paths, and come to the probes. So probes cost nothing while none does.
//
// docs/debugging.md lists the probes and their arguments. Without sys/sdt.h there are none.
#pragma once

#include <cstdint>

#include "runtime/sched/trace/trace_ring.hpp"

#if defined(HILO_PROBES)
extern "C" __attribute__((visibility("hidden"))) std::uint16_t hilo_run_semaphore;
#endif

namespace hilo::sched {

// Whether a tool looks. relaxed: a worker looks again.
inline bool is_probed() noexcept {
#if defined(HILO_PROBES)
  return __atomic_load_n(&hilo_run_semaphore, __ATOMIC_RELAXED) != 0;
#else
  return false;
#endif
}

// The probe of an event.
void pass_probe(const trace_event& one) noexcept;

}  // namespace hilo::sched
