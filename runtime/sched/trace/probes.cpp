#include "runtime/sched/trace/probes.hpp"

#if defined(HILO_PROBES)

#define _SDT_HAS_SEMAPHORES 1  // NOLINT(bugprone-reserved-identifier): sys/sdt.h asks for it
#include <sys/sdt.h>

// A probe finds its semaphore by the name. The first is the word, and the others are names for it.
extern "C" {
__attribute__((section(".probes"), used)) std::uint16_t hilo_run_semaphore = 0;
#define HILO_SAME_SEMAPHORE(probe)                                                \
  extern __attribute__((alias("hilo_run_semaphore"), visibility("hidden"), used)) \
  std::uint16_t hilo_##probe##_semaphore;
HILO_SAME_SEMAPHORE(yield)
HILO_SAME_SEMAPHORE(park)
HILO_SAME_SEMAPHORE(end)
HILO_SAME_SEMAPHORE(move)
HILO_SAME_SEMAPHORE(spawn)
HILO_SAME_SEMAPHORE(wake)
HILO_SAME_SEMAPHORE(steal)
HILO_SAME_SEMAPHORE(hand_over)
HILO_SAME_SEMAPHORE(take_back)
HILO_SAME_SEMAPHORE(io_submit)
HILO_SAME_SEMAPHORE(io_complete)
HILO_SAME_SEMAPHORE(timers)
}

namespace hilo::sched {

void pass_probe(const trace_event& one) noexcept {
  const char* const name = one.name;
  switch (one.what) {
    case trace_what::runs:
      STAP_PROBE2(hilo, run, one.fiber, name);
      break;
    case trace_what::yields:
      STAP_PROBE1(hilo, yield, one.fiber);
      break;
    case trace_what::parks:
      STAP_PROBE2(hilo, park, one.fiber, one.text);
      break;
    case trace_what::ends:
      STAP_PROBE1(hilo, end, one.fiber);
      break;
    case trace_what::moves:
      STAP_PROBE1(hilo, move, one.fiber);
      break;
    case trace_what::spawned:
      STAP_PROBE4(hilo, spawn, one.fiber, name, one.other, one.text);
      break;
    case trace_what::wakes:
      STAP_PROBE2(hilo, wake, one.fiber, one.other);
      break;
    case trace_what::steals:
      STAP_PROBE2(hilo, steal, one.fiber, one.number);
      break;
    case trace_what::hands_over:
      STAP_PROBE2(hilo, hand_over, one.fiber, one.number);
      break;
    case trace_what::takes_back:
      STAP_PROBE1(hilo, take_back, one.fiber);
      break;
    case trace_what::submits:
      STAP_PROBE3(hilo, io_submit, one.fiber, one.number, one.call);
      break;
    case trace_what::completes:
      STAP_PROBE2(hilo, io_complete, one.fiber, one.number);
      break;
    case trace_what::fires:
      STAP_PROBE1(hilo, timers, one.number);
      break;
    default:
      break;
  }
}

}  // namespace hilo::sched

#else

namespace hilo::sched {

void pass_probe(const trace_event&) noexcept {}

}  // namespace hilo::sched

#endif
