// A clock that costs one load: CLOCK_MONOTONIC in ms, modulo 2^32, as the monitors read it last. A
// fiber that parks notes it, so that readers from outside can tell for how long the fiber waits.
//
// The monitor of a runtime reads the time at each look, some 10 ms apart while fibers run, and the
// worker that rouses it reads the time too. A runtime without a monitor does not keep the clock.
#pragma once

#include <atomic>
#include <cstdint>

#include "runtime/base/cpu.hpp"

namespace hilo::sched {

// Relaxed: it publishes nothing, and any of its last values is good enough. On a line of its own,
// since every park reads it.
alignas(base::cache_line) inline constinit std::atomic<std::uint32_t> coarse_ms{0};

// The value for a time in ns; never 0, which says that no time is known.
constexpr std::uint32_t coarse_time(std::int64_t ns) noexcept {
  const auto ms = static_cast<std::uint32_t>(ns / 1'000'000);
  return ms != 0 ? ms : 1;
}

inline void note_time(std::int64_t now) noexcept {
  const std::uint32_t ms = coarse_time(now);
  // The line moves only if the value changed.
  if (coarse_ms.load(std::memory_order_relaxed) != ms) {
    coarse_ms.store(ms, std::memory_order_relaxed);
  }
}

}  // namespace hilo::sched
