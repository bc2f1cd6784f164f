// A full barrier between two sides, of which one side runs often and the other rarely. The often
// side pays nothing. The rare side lets the kernel put a barrier into every thread of the process
// (membarrier(2), MEMBARRIER_CMD_PRIVATE_EXPEDITED; some microseconds).
//
//   often:   store a; light_fence(); load b        rarely:   store b; heavy_fence(); load a
//
// At least one of the loads sees the other side's store. If the kernel refuses membarrier, both are
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

// As heavy_fence(), for the owner of a spin_lock, whose light side is a compiler fence and never
// reads light_fence_is_free. If membarrier was refused after the start, this takes a millisecond.
void heavy_fence_for_owner() noexcept;

// Registers the process for membarrier, once. Called before a runtime starts its carriers, and at
// the first wait of a thread. Not called by an initialiser of the library, because the program may
// construct objects before that.
void free_light_fence() noexcept;

}  // namespace hilo::detail
