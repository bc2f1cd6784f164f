// A mutex of one word on a bare futex: the lock under the parts of hilo that sit below its own
// primitives. Not recursive, not fair, 4 bytes, no initialisation at run time.
//
//   0  free
//   1  held, nobody sleeps
//   2  held, somebody may sleep: unlock must wake
//
// A sleeper always leaves the word at 2 when it takes the lock, because it cannot know whether it
// was the last one; the price is one wake too many, never one too few.
#pragma once

#include "runtime/sys/futex.hpp"

namespace hilo::sys {

class futex_lock {
 public:
  constexpr futex_lock() noexcept = default;
  futex_lock(const futex_lock&) = delete;
  futex_lock& operator=(const futex_lock&) = delete;

  void lock() noexcept {
    std::uint32_t seen = free_word;
    // (L1) acquire: pairs with (L3); what the last holder wrote is visible
    if (word_.compare_exchange_strong(seen, held, std::memory_order_acquire,
                                      std::memory_order_relaxed)) {
      return;
    }
    // (L2) acquire: as (L1)
    while (word_.exchange(contended, std::memory_order_acquire) != free_word) {
      futex_wait(word_, contended);
    }
  }

  bool try_lock() noexcept {
    std::uint32_t seen = free_word;
    return word_.compare_exchange_strong(seen, held, std::memory_order_acquire,
                                         std::memory_order_relaxed);
  }

  void unlock() noexcept {
    // (L3) release: publishes the critical section to (L1) and (L2)
    if (word_.exchange(free_word, std::memory_order_release) == contended) futex_wake_one(&word_);
  }

 private:
  static constexpr std::uint32_t free_word = 0, held = 1, contended = 2;
  futex_word word_{free_word};
};
static_assert(sizeof(futex_lock) == 4);

}  // namespace hilo::sys
