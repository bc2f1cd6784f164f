#include "hilo/detail/spin_lock.hpp"

#include <algorithm>
#include <ctime>

#include <sched.h>

#include "hilo/detail/decision.hpp"
#include "hilo/detail/fence.hpp"

#include "runtime/base/cpu.hpp"

namespace hilo::detail {
namespace {

// One carrier becomes the owner if it is the only holder this many times in a row, counted from the
// first holder on. Guess: for a carrier that comes so often, ownership is worth the cost of taking
// it away again.
constexpr std::uint8_t enough = 32;

// How long a carrier that asks for the ownership waits for an answer. Counted in looks of some 30
// ns each. An owner in a loop over the lock answers within the first few looks. A quick answer
// earns one credit, a slow answer costs some. Without credit the lock has no owner any more. This
// happens when two carriers come by every few microseconds: each would wait for the other each
// time.
constexpr int quick_answer = 16;
constexpr int patience = 100;
constexpr int long_patience = 2000;  // if answers were quick: the owner may have lost its CPU
constexpr std::uint8_t trusted = 20, most_credit = 32, slow_costs = 4;  // guesses

// In a simulation: more decisions than any holder needs to get its turn. After that the caller
// waits like a thread of the program that is outside the simulation.
constexpr int most_decisions = 100'000;

constexpr int first_spins = 32;  // of a loser; guess: several times as long as a holder needs

}  // namespace

// If two carriers want one lock, each change of sides moves the lock's cache line and the lines
// that it guards. That takes longer than the work under the lock. So a loser stays away for twice
// as long each time and does not even look meanwhile; the winner goes on with warm lines. Measured
// with channel_4x4 on 2 carriers: 17 ns a message, against 58 for a loser that looks all the time.
void spin_lock::wait_for_word() noexcept {
  constexpr int most_spins = 1024;  // guess: some 20 us; then the holder is not merely busy
  constexpr int yields = 64;        // guess: then it is not merely off its CPU
  // In a simulation the holder is a fiber that was set aside in its critical section. The holder
  // goes on only if the decider lets it.
  for (int i = 0; simulating() && i < most_decisions; ++i) {
    decide();
    if (word_.exchange(1, std::memory_order_acquire) == 0) return;  // (L1)
  }
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
  if (me != 0 && owner_.load(std::memory_order_relaxed) == (me | asked)) {
    // The caller is still the owner, and another carrier asks: unlock gives the ownership up.
    inside_.store(true, std::memory_order_relaxed);       // (B1)
    std::atomic_signal_fence(std::memory_order_seq_cst);  // owned only where it is enough
    if (owner_.load(std::memory_order_relaxed) == (me | asked)) return;  // (B2)
    inside_.store(false, std::memory_order_release);                     // pairs with (B4)
  }
  // (L1) acquire: pairs with (L2); what the last holder wrote is seen.
  if (word_.exchange(1, std::memory_order_acquire) != 0) wait_for_word();
  // relaxed: guarded by word_
  if (owner_.load(std::memory_order_relaxed) != nobody) [[unlikely]]
    settle_owner(me);
}

// Called by the owner, inside. A carrier that sees (B6) waits for `inside`, which is the last
// access.
void spin_lock::leave_wanted(std::uintptr_t me, giving when) noexcept {
  std::uintptr_t seen = owner_.load(std::memory_order_relaxed);
  // (B6) release: publishes what was done under the lock
  while (when != never && (seen & ~asked) == me &&
         !owner_.compare_exchange_weak(seen, undecided, std::memory_order_release,
                                       std::memory_order_relaxed)) {
  }
  inside_.store(false, std::memory_order_release);
}

// The caller holds word_. True: the owner gave the lock up; false: its ownership is revoked (B3).
bool spin_lock::ask(std::uintptr_t owner) noexcept {
  // As in wait_for_word(): a change of sides costs more than the work under the lock. So the owner
  // keeps the lock for a while.
  for (int i = 0; moves_ && i < first_spins; ++i) base::cpu_relax();
  std::uintptr_t seen = owner;
  // (B5) acquire, here and below: pairs with (B6)
  if (!owner_.compare_exchange_strong(seen, owner | asked, std::memory_order_acquire,
                                      std::memory_order_acquire)) {
    return true;
  }
  const int looks = credit_ >= trusted ? long_patience : patience;
  for (int look = 0; look < looks; ++look) {
    base::cpu_relax();
    if (owner_.load(std::memory_order_acquire) != (owner | asked)) {
      if (look < quick_answer) {
        credit_ = std::min<std::uint8_t>(credit_ + 1, most_credit);
      } else {
        credit_ -= std::min(credit_, slow_costs);
      }
      return true;
    }
  }
  seen = owner | asked;
  return !owner_.compare_exchange_strong(seen, owner | revoked, std::memory_order_acquire,
                                         std::memory_order_acquire);
}

// The caller holds word_. The lock has an owner, or none yet.
void spin_lock::settle_owner(std::uintptr_t me) noexcept {
  // acquire: pairs with (B6). Stores are relaxed: guarded by word_.
  const std::uintptr_t owner = owner_.load(std::memory_order_acquire);
  if (owner == undecided && moves_) {
    wait_until_out();
    if (me != 0) owner_.store(me, std::memory_order_relaxed);
  } else if (me != 0 && owner == (me | undecided)) {
    if (++holders_ == enough) owner_.store(me, std::memory_order_relaxed);
  } else if (me != 0 && owner == undecided && light_fence_is_free.load(std::memory_order_relaxed) &&
             !simulating()) {
    holders_ = 1;
    owner_.store(me | undecided, std::memory_order_relaxed);
  } else if ((owner & undecided) != 0) {
    owner_.store(nobody, std::memory_order_relaxed);
  } else if (ask(owner)) {
    wait_until_out();
    moves_ = true;
    owner_.store(credit_ == 0 ? nobody : me != 0 ? me : undecided, std::memory_order_relaxed);
  } else {
    heavy_fence_for_owner();  // between (B3) and (B4)
    wait_until_out();
    owner_.store(nobody, std::memory_order_relaxed);
  }
}

// (B4) acquire: sees what the last owner did inside.
void spin_lock::wait_until_out() noexcept {
  for (int spins = 0; inside_.load(std::memory_order_acquire); ++spins) {
    if (spins < 100) {
      base::cpu_relax();
    } else {
      ::sched_yield();  // the owner lost its CPU
    }
  }
}

}  // namespace hilo::detail
