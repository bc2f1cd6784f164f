// The lock inside primitives, held for some tens of instructions and never across a park.
//
// It spins, because fibers and kernel threads both use it (a fiber must not block its carrier in a
// futex for such a short time), and because releasing is then a plain store. A holder that loses
// its CPU would make others spin for a time slice. So the waiting caller soon gives up its own CPU,
// and later sleeps; this also lets a holder of lower real-time priority run.
//
// Owner. If the first holders of a lock were all the same carrier, that carrier owns the lock. From
// then on it takes and releases the lock by plain stores, because a locked instruction costs more
// than most work under the lock. Another caller first takes word_ and then asks for the ownership.
// If the owner uses the lock again soon, it gives the ownership up itself, and the other caller
// owns the lock from then on. Otherwise the other caller takes the ownership away, for good, and
// pays for both sides (detail/fence.hpp):
//
//   owner:   (B1) inside := true         other, holding word_:   (B3) owner := revoked
//            compiler fence                                       heavy_fence_for_owner
//            (B2) read owner                                      (B4) wait until not inside
//
// Of (B2) and (B4) at least one sees the other side's store. Either the owner finds that it is not
// the owner any more and uses word_, or the other caller waits until the owner is out. After that
// no carrier owns the lock again, because the former owner may still be leaving the plain path, and
// its write to `inside` would overwrite that of a next owner. An owner that gave the lock up itself
// (B6) was outside, so there the lock gets a next owner. The release of (B6) and the acquire of the
// asking caller (B5) order the work under the lock. docs/decisions/owned-locks.md says how much
// this saves.
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

  // Takes the lock if that needs no wait, so it may be called while the caller holds other locks.
  // False if the lock is held, or if its ownership is another carrier's or not decided yet: then
  // lock() decides it.
  bool try_lock() noexcept { return lock_owned(caller()) || try_lock_word(); }

  // (L2), (B4) release: publishes what was written under the lock. An owner that is asked for the
  // lock gives it up here.
  void unlock() noexcept { leave(at_once, caller); }

  // The same, for a caller that knows its carrier.
  void unlock(const carrier* here) noexcept {
    leave(at_once, [here] { return number(here); });
  }

  // The same, for a caller that takes the lock again soon and gives up the ownership at a better
  // moment.
  void unlock_and_keep(const carrier* here) noexcept {
    leave(never, [here] { return number(here); });
  }

  // The same, for a caller that is about to wait. Its carrier may not use the lock again for long,
  // so if the ownership has moved before, the caller gives it up without being asked.
  void unlock_to_wait() noexcept { leave(moves_ ? unasked : at_once, caller); }

 protected:
  // 0 for a thread that is not a carrier: it owns nothing.
  static std::uintptr_t caller() noexcept { return number(current_carrier()); }
  static std::uintptr_t number(const carrier* here) noexcept {
    return reinterpret_cast<std::uintptr_t>(here);
  }

  // True: the caller owns the lock, and has taken it.
  bool lock_owned(std::uintptr_t me) noexcept {
    // relaxed: only the caller itself makes it its own
    if (owner_.load(std::memory_order_relaxed) == me) [[likely]] {
      inside_.store(true, std::memory_order_relaxed);       // (B1)
      std::atomic_signal_fence(std::memory_order_seq_cst);  // owned only where this fence suffices
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
  // owner_ is a carrier's address, with a bit while that carrier is asked for the ownership or
  // loses it; or one of the values without a carrier.
  static constexpr std::uintptr_t revoked = 1;
  static constexpr std::uintptr_t nobody = 2;  // and never again
  static constexpr std::uintptr_t undecided =
      4;  // the first holders are being counted, or it moves
  static constexpr std::uintptr_t asked = 8;

  // When an owner that leaves gives the ownership up: never, only if it is asked, or without being
  // asked.
  enum giving : std::uint8_t { never, at_once, unasked };

  // caller_is gives the number of the caller's carrier. It is asked only if that matters.
  template <class F>
  [[gnu::always_inline]] void leave(giving when, F caller_is) noexcept {
    if (inside_.load(std::memory_order_relaxed)) {
      const std::uintptr_t me = caller_is();
      const std::uintptr_t owner = owner_.load(std::memory_order_relaxed);
      if (owner == me && when != unasked) [[likely]] {
        inside_.store(false, std::memory_order_release);
        return;
      }
      // If the caller holds the lock as its owner, no other caller holds or owns it.
      if ((owner & ~(revoked | asked)) == me) return leave_wanted(me, when);
    }
    word_.store(0, std::memory_order_release);
  }

  void wait_for_word() noexcept;
  void settle_owner(std::uintptr_t me) noexcept;
  bool ask(std::uintptr_t owner) noexcept;
  void wait_until_out() noexcept;
  HILO_API void leave_wanted(std::uintptr_t me, giving when) noexcept;

  std::atomic<std::uintptr_t> owner_{undecided};  // written by the holder of word_, and by (B6)
  std::atomic<std::uint32_t> word_{0};            // 1: held by a caller that does not own it
  std::atomic<bool> inside_{false};               // the owner holds it, or tries to
  bool moves_ = false;        // the ownership was given up once; guarded by the lock
  std::uint8_t holders_ = 0;  // counted so far; guarded by word_
  std::uint8_t credit_ = 16;  // for moves; guarded by word_
};

}  // namespace hilo::detail
