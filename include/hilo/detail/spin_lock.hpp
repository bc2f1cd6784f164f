// The lock inside primitives, held for some tens of instructions and never across a park.
//
// It spins, because both floors use it (a fiber may not block its carrier in a futex for so short a
// time) and because releasing is then a plain store. A holder that loses its CPU would make others
// spin for a time slice; so the wait soon gives its own CPU away, and later sleeps, which also lets
// a holder of lower real-time priority run.
//
// Owner. A lock whose first holders were all the same carrier belongs to that carrier, which takes
// and releases it by plain stores from then on: a locked instruction costs more than most of what
// is done under the lock. Another who comes holds word_ and asks for the ownership. An owner that
// comes by at once gives it up itself, and the other owns the lock from then on. From one that does
// not the ownership is taken, for good, and the other pays for both sides (detail/fence.hpp):
//
//   owner:   (B1) inside := true         other, holding word_:   (B3) owner := revoked
//            compiler fence                                       heavy_fence_for_owner
//            (B2) read owner                                      (B4) wait until not inside
//
// Of (B2) and (B4) at least one sees the other side's store: the owner finds that it is none any
// more and goes by word_, or the other waits until it is out. After that nobody owns the lock
// again, since the former owner may be on its way out of the plain path still, and would write
// `inside` over the next one's. One that gave it up (B6) is not: it did so outside. What was done
// under the lock is ordered by the release of (B6) and the acquire of who asked (B5).
// docs/decisions/owned-locks.md has what it saves.
#pragma once

#include <atomic>
#include <cstdint>

#include "hilo/detail/api.hpp"
#include "hilo/detail/carrier.hpp"

namespace hilo::detail {

class spin_lock {
 public:
  void lock() noexcept {
    const std::uintptr_t me = caller();
    if (!lock_owned(me)) lock_word(me);
  }

  // Takes the lock if that needs no wait, so also while the caller holds others. False when it is
  // held, and when its ownership is another's or not settled yet: then lock() settles it.
  bool try_lock() noexcept { return lock_owned(caller()) || try_lock_word(); }

  // (L2), (B4) release: publishes what was written under the lock. An owner that is asked for the
  // lock gives it up here.
  void unlock() noexcept { leave(at_once); }

  // The same by one that comes again soon and knows a better moment to give it up.
  void unlock_and_keep() noexcept { leave(never); }

  // The same by one that is about to wait: its carrier may not come by for long, so an ownership
  // that moves is given up before anybody asks.
  void unlock_to_wait() noexcept { leave(moves_ ? unasked : at_once); }

 protected:
  // 0 for a thread that is no carrier: it owns nothing.
  static std::uintptr_t caller() noexcept {
    return reinterpret_cast<std::uintptr_t>(current_carrier());
  }

  // True: it is the caller's own, and taken.
  bool lock_owned(std::uintptr_t me) noexcept {
    // relaxed: only the caller itself makes it its own
    if (owner_.load(std::memory_order_relaxed) == me) [[likely]] {
      inside_.store(true, std::memory_order_relaxed);       // (B1)
      std::atomic_signal_fence(std::memory_order_seq_cst);  // owned only where it is enough
      if ((owner_.load(std::memory_order_relaxed) & ~asked) == me) [[likely]]
        return true;                                    // (B2)
      inside_.store(false, std::memory_order_release);  // pairs with (B4)
    }
    return false;
  }
  HILO_API void lock_word(std::uintptr_t me) noexcept;
  bool try_lock_word() noexcept {
    // relaxed: a lock that lost its owner gets none again, so an old value only says false
    return owner_.load(std::memory_order_relaxed) == nobody &&
           word_.exchange(1, std::memory_order_acquire) == 0;  // (L1)
  }

 private:
  // The owner: a carrier's address, with a bit when it is asked for the ownership or when that is
  // being taken away; or one of the others.
  static constexpr std::uintptr_t revoked = 1;
  static constexpr std::uintptr_t nobody = 2;  // and never again
  static constexpr std::uintptr_t undecided =
      4;  // the first holders are being counted, or it moves
  static constexpr std::uintptr_t asked = 8;

  // When an owner that leaves gives the lock up: never, if it is asked, or anyhow.
  enum giving : std::uint8_t { never, at_once, unasked };

  [[gnu::always_inline]] void leave(giving when) noexcept {
    if (inside_.load(std::memory_order_relaxed)) {
      const std::uintptr_t me = caller();
      const std::uintptr_t owner = owner_.load(std::memory_order_relaxed);
      if (owner == me && when != unasked) [[likely]] {
        inside_.store(false, std::memory_order_release);
        return;
      }
      // What the caller holds as its owner, nobody else holds or owns.
      if ((owner & ~(revoked | asked)) == me) return leave_wanted(me, when);
    }
    word_.store(0, std::memory_order_release);
  }

  void wait_for_word() noexcept;
  void settle_owner(std::uintptr_t me) noexcept;
  bool ask(std::uintptr_t owner) noexcept;
  void wait_until_out() noexcept;
  HILO_API void leave_wanted(std::uintptr_t me, giving when) noexcept;

  std::atomic<std::uintptr_t> owner_{undecided};  // written by who holds word_, and (B6)
  std::atomic<std::uint32_t> word_{0};            // 1: held, by whoever does not own it
  std::atomic<bool> inside_{false};               // held by its owner, or that tries to
  bool moves_ = false;        // the ownership was given up once; guarded by the lock
  std::uint8_t holders_ = 0;  // counted so far; guarded by word_
  std::uint8_t credit_ = 16;  // for moves; guarded by word_
};

}  // namespace hilo::detail
