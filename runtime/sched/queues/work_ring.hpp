// A worker's ring of runnable fibers, from which others may steal. The owner pushes at one end and
// takes the newest or the oldest; thieves take the oldest.
//
// The algorithm is Chase and Lev's deque (SPAA 2005) on a fixed ring, in its sequentially
// consistent form. The owner that takes the newest and a thief that takes the oldest meet only at
// the last fiber.
//
//   owner, take_newest          thief, steal
//   (R1) bottom = b    sc       (R3) t = top       sc
//   (R2) t = top       sc       (R4) b' = bottom   sc
//   take [b] if t < b           take [t] by compare-exchange if t < b'
//
// Forbidden: both take slot i. The thief would have t == i and would have read bottom > i in (R4).
// So (R4) precedes (R1) in the total order of sc operations, and (R3) precedes (R4). The owner
// would take without a compare-exchange only if (R2) read top < i == b. But (R3) read top == i and
// precedes (R2). If top == b, both use compare-exchange on top, and one of them wins. A fence in
// place of the sc operations would be enough on x86, but thread sanitizer cannot see it, and
// stlr/ldar is cheaper than dmb on aarch64.
//
// Indices only grow (they wrap at 2^32, far from a ring's size), so there is no ABA. A thief's
// compare-exchange succeeds only if no other took slot t since the thief read it, and the owner
// overwrites a slot only after top passed it.
//
// With a single worker no thread steals; then `shared` is false and no operation is locked.
#pragma once

#include <atomic>
#include <cstdint>

#include "runtime/base/cpu.hpp"

namespace hilo::sched {

struct fiber;

class work_ring {
 public:
  static constexpr std::uint32_t capacity = 256;  // as Go and tokio; a power of two

  // Owner. False when full.
  bool push(fiber* one) noexcept {
    const std::uint32_t b = bottom_.load(std::memory_order_relaxed);  // only we write it
    // (R5) acquire: pairs with (R6); the slot to be reused was read before top passed it.
    const std::uint32_t t = top_.load(std::memory_order_acquire);
    if (b - t >= capacity) [[unlikely]]
      return false;
    slot(b).store(one, std::memory_order_relaxed);  // published by the next line
    // (R7) release: pairs with (R4); publishes the slot and the fiber in it.
    bottom_.store(b + 1, std::memory_order_release);
    return true;
  }

  // Owner. Null when empty.
  fiber* take_newest(bool shared) noexcept {
    const std::uint32_t b = bottom_.load(std::memory_order_relaxed) - 1;  // only we write it
    // relaxed: top only grows, so an old value can only show too many; checked again below
    if (static_cast<std::int32_t>(b - top_.load(std::memory_order_relaxed)) < 0) return nullptr;
    if (!shared) {
      bottom_.store(b, std::memory_order_relaxed);  // no thief reads it
      return slot(b).load(std::memory_order_relaxed);
    }
    bottom_.store(b, std::memory_order_seq_cst);             // (R1)
    std::uint32_t t = top_.load(std::memory_order_seq_cst);  // (R2)
    if (static_cast<std::int32_t>(b - t) > 0) return slot(b).load(std::memory_order_relaxed);
    fiber* last = nullptr;
    if (t == b) {
      last = slot(b).load(std::memory_order_relaxed);
      // The last fiber: the side that moves top has it.
      if (!top_.compare_exchange_strong(t, t + 1, std::memory_order_seq_cst,
                                        std::memory_order_relaxed)) {
        last = nullptr;
      }
    }
    bottom_.store(b + 1, std::memory_order_relaxed);  // empty: as it was; publishes nothing
    return last;
  }

  // Owner. Null when empty.
  fiber* take_oldest(bool shared) noexcept {
    const std::uint32_t b = bottom_.load(std::memory_order_relaxed);  // only we write it
    std::uint32_t t = top_.load(std::memory_order_relaxed);           // confirmed by the exchange
    while (b != t) {
      fiber* one = slot(t).load(std::memory_order_relaxed);
      if (!shared) {
        top_.store(t + 1, std::memory_order_relaxed);
        return one;
      }
      // (R6) release half: our use of the slot is over.
      if (top_.compare_exchange_weak(t, t + 1, std::memory_order_seq_cst,
                                     std::memory_order_relaxed)) {
        return one;
      }
    }
    return nullptr;
  }

  // Any other worker. Null if the ring is empty or another worker was faster.
  fiber* steal() noexcept {
    std::uint32_t t = top_.load(std::memory_order_seq_cst);           // (R3)
    const std::uint32_t b = bottom_.load(std::memory_order_seq_cst);  // (R4), acquires (R7)
    if (static_cast<std::int32_t>(b - t) <= 0) return nullptr;
    fiber* one = slot(t).load(std::memory_order_relaxed);  // ours only if the exchange succeeds
    // (R6)
    return top_.compare_exchange_strong(t, t + 1, std::memory_order_seq_cst,
                                        std::memory_order_relaxed)
               ? one
               : nullptr;
  }

  // The number of fibers; exact for the owner while no thread steals, otherwise a hint.
  std::uint32_t size() const noexcept {
    const std::uint32_t t = top_.load(std::memory_order_seq_cst);     // sc: the idle protocol's
    const std::uint32_t b = bottom_.load(std::memory_order_seq_cst);  // re-check (I2)
    const auto n = static_cast<std::int32_t>(b - t);
    return n > 0 ? static_cast<std::uint32_t>(n) : 0;
  }

  // How many fibers were ever taken, modulo 2^32. relaxed: a hint.
  std::uint32_t taken() const noexcept { return top_.load(std::memory_order_relaxed); }

  // Owner: whether the ring is empty. A thief can empty it, but not fill it.
  bool empty() const noexcept {
    return bottom_.load(std::memory_order_relaxed) == top_.load(std::memory_order_relaxed);
  }

  // Owner: how many fibers it can push now, and whether it can push none. A thief can only make
  // room.
  std::uint32_t room() const noexcept {
    return capacity -
           (bottom_.load(std::memory_order_relaxed) - top_.load(std::memory_order_relaxed));
  }
  bool full() const noexcept { return room() == 0; }

 private:
  std::atomic<fiber*>& slot(std::uint32_t index) noexcept { return slots_[index % capacity]; }

  // The next slot to steal from. Advanced by thieves and by the owner.
  alignas(base::cache_line) std::atomic<std::uint32_t> top_{0};
  // The next slot to fill. Written by the owner only.
  alignas(base::cache_line) std::atomic<std::uint32_t> bottom_{0};
  // Written by the owner before bottom passes; read by thieves.
  alignas(base::cache_line) std::atomic<fiber*> slots_[capacity]{};
};

}  // namespace hilo::sched
