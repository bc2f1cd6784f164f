// The lock inside primitives: one word, held for some tens of instructions and never across a park.
//
// It spins, because both floors use it (a fiber may not block its carrier in a futex for so short a
// time) and because releasing is then a plain store. A holder that loses its CPU would make others
// spin for a time slice; so the wait soon gives its own CPU away, and later sleeps, which also lets
// a holder of lower real-time priority run.
#pragma once

#include <atomic>
#include <cstdint>

#include "hilo/detail/api.hpp"

namespace hilo::detail {

class spin_lock {
 public:
  void lock() noexcept {
    if (!try_lock()) [[unlikely]]
      lock_slow();
  }

  // (L1) acquire: pairs with (L2); what the last holder wrote is seen.
  bool try_lock() noexcept { return word_.exchange(1, std::memory_order_acquire) == 0; }

  // (L2) release: publishes what was written under the lock.
  void unlock() noexcept { word_.store(0, std::memory_order_release); }

 private:
  HILO_API void lock_slow() noexcept;

  std::atomic<std::uint32_t> word_{0};  // 1: held
};

}  // namespace hilo::detail
