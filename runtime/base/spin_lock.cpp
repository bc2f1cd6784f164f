#include "hilo/detail/spin_lock.hpp"

#include <ctime>

#include <sched.h>

#include "hilo/detail/decision.hpp"
#include "hilo/detail/fence.hpp"

#include "runtime/base/cpu.hpp"

namespace hilo::detail {
namespace {

// Of one carrier in a row, from the first on. Guess: who comes so often is worth what it costs to
// take the ownership away again.
constexpr std::uint8_t enough = 32;

}  // namespace

// Two carriers after one lock: each time it changes sides, its cache line and those it guards do,
// which takes longer than what is done under it. So a loser stays away for twice as long each time,
// and does not even look meanwhile; the winner goes on with warm lines. Measured with channel_4x4
// on 2 carriers: 17 ns a message, against 58 for who looks all the time.
void spin_lock::wait_for_word() noexcept {
  constexpr int first_spins = 32;   // guess: several times what a holder needs
  constexpr int most_spins = 1024;  // guess: some 20 us; then the holder is not merely busy
  constexpr int yields = 64;        // guess: then it is not merely off its CPU
  for (int spins = first_spins; spins < most_spins; spins *= 2) {
    for (int i = 0; i < spins; ++i) base::cpu_relax();
    // relaxed: only a hint; the exchange acquires, (L1).
    if (word_.load(std::memory_order_relaxed) == 0 &&
        word_.exchange(1, std::memory_order_acquire) == 0) {
      return;
    }
  }
  for (int round = 0; word_.exchange(1, std::memory_order_acquire) != 0; ++round) {
    if (round < yields) {
      ::sched_yield();
    } else {
      const timespec nap{.tv_sec = 0, .tv_nsec = 50'000};
      ::nanosleep(&nap, nullptr);
    }
  }
}

void spin_lock::lock_word(std::uintptr_t me) noexcept {
  // (L1) acquire: pairs with (L2); what the last holder wrote is seen.
  if (word_.exchange(1, std::memory_order_acquire) != 0) wait_for_word();
  // relaxed: guarded by word_
  if (owner_.load(std::memory_order_relaxed) != nobody) [[unlikely]]
    settle_owner(me);
}

// The caller holds word_, and the lock has an owner, or none yet.
void spin_lock::settle_owner(std::uintptr_t me) noexcept {
  // relaxed throughout, but where said: guarded by word_
  const std::uintptr_t owner = owner_.load(std::memory_order_relaxed);
  if (me != 0 && owner == (me | undecided)) {
    if (++holders_ == enough) owner_.store(me, std::memory_order_relaxed);
  } else if (me != 0 && owner == undecided && light_fence_is_free.load(std::memory_order_relaxed) &&
             !simulating()) {
    holders_ = 1;
    owner_.store(me | undecided, std::memory_order_relaxed);
  } else if ((owner & undecided) != 0) {
    owner_.store(nobody, std::memory_order_relaxed);
  } else {
    owner_.store(owner | revoked, std::memory_order_relaxed);  // (B3)
    heavy_fence();
    // (B4) acquire: pairs with (B5)
    for (int spins = 0; inside_.load(std::memory_order_acquire); ++spins) {
      if (spins < 100) {
        base::cpu_relax();
      } else {
        ::sched_yield();  // the owner lost its CPU
      }
    }
    owner_.store(nobody, std::memory_order_relaxed);
  }
}

}  // namespace hilo::detail
