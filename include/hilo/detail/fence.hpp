// A full barrier between two sides of which one comes often and the other nearly never: the often
// one pays nothing, the rare one lets the kernel put a barrier into every thread of the process
// (membarrier(2), MEMBARRIER_CMD_PRIVATE_EXPEDITED; some microseconds).
//
//   often:   store a; light_fence(); load b        rarely:   store b; heavy_fence(); load a
//
// At least one of the loads sees the other side's store. Where membarrier is refused, both are
// fences of sequential consistency. A refusal may come at any time: runtime/sys/membarrier.cpp.
#pragma once

#include <atomic>

#include "hilo/detail/api.hpp"

namespace hilo::detail {

// Set to true by free_light_fence(), and to false for good by the first membarrier call that fails.
// false is always right for the light side, because the heavy side calls membarrier whenever that
// works.
HILO_API extern std::atomic<bool> light_fence_is_free;

inline void light_fence() noexcept {
  // relaxed: either value is right
  if (light_fence_is_free.load(std::memory_order_relaxed)) [[likely]] {
    std::atomic_signal_fence(std::memory_order_seq_cst);  // the compiler keeps the order
  } else {
    std::atomic_thread_fence(std::memory_order_seq_cst);
  }
}

void heavy_fence() noexcept;

// The same against a light side that is a compiler fence and never reads light_fence_is_free: the
// owner of a spin_lock. Takes a millisecond where membarrier was refused after the start.
void heavy_fence_for_owner() noexcept;

// Registers the process for membarrier, once. Called before a runtime starts its carriers and at
// the first wait of a thread, and not by an initialiser of the library: the program may construct
// objects before that.
void free_light_fence() noexcept;

}  // namespace hilo::detail
