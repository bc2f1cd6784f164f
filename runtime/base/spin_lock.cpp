#include "hilo/detail/spin_lock.hpp"

#include <ctime>

#include <sched.h>

#include "runtime/base/cpu.hpp"

namespace hilo::detail {

void spin_lock::lock_slow() noexcept {
  constexpr int spins = 128;  // guess: several times what any holder needs
  constexpr int yields = 64;  // guess: then the holder is not merely off its CPU
  for (int round = 0;; ++round) {
    // relaxed: only a hint; try_lock() acquires. Reading keeps the line shared while it is held.
    for (int i = 0; i < spins && word_.load(std::memory_order_relaxed) != 0; ++i) {
      base::cpu_relax();
    }
    if (try_lock()) return;
    if (round < yields) {
      ::sched_yield();
    } else {
      const timespec nap{.tv_sec = 0, .tv_nsec = 50'000};
      ::nanosleep(&nap, nullptr);
    }
  }
}

}  // namespace hilo::detail
