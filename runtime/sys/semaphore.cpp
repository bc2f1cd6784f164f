// A semaphore of one word: permits, and a bit for "a thread may sleep".
//
// release() changes the word in one step. After that it uses only the word's address, because the
// thread that got the permit may have freed the word. So release() clears the bit in the same step
// in which it adds the permits. Sleepers may be left, so the bit must be set again:
//
//   * A thread that slept sets it when it takes a permit or gives up, because it cannot know
//     whether it was the last sleeper. If it leaves a permit, it also wakes the next sleeper.
//
// The invariant: while a thread sleeps, the bit is set, or a thread that was woken is on its way to
// set it, or is on its way to wake another sleeper for a permit that is left.
#include "hilo/kernel/semaphore.hpp"

#include "runtime/base/check.hpp"
#include "runtime/sys/backoff.hpp"

namespace hilo::detail {

bool kernel_semaphore::acquire_slow(const kernel_deadline* deadline) noexcept {
  sys::backoff moment;
  while (moment.pause()) {
    if (try_acquire()) return true;
  }
  std::uint32_t seen = word_.load(std::memory_order_relaxed);
  bool in_time = true;
  while (true) {
    if ((seen & most) != 0) {
      // (P1) acquire: pairs with (P2)
      if (!word_.compare_exchange_weak(seen, (seen - 1) | sleepers, std::memory_order_acquire,
                                       std::memory_order_relaxed)) {
        continue;
      }
      if (((seen - 1) & most) != 0) kernel_wake_one(&word_);
      return true;
    }
    if ((seen & sleepers) == 0 &&
        !word_.compare_exchange_weak(seen, seen | sleepers, std::memory_order_relaxed,
                                     std::memory_order_relaxed)) {
      continue;
    }
    if (!in_time) return false;
    in_time = kernel_sleep(word_, sleepers, deadline);
    seen = word_.load(std::memory_order_relaxed);
  }
}

void kernel_semaphore::release(std::ptrdiff_t permits, std::uint32_t limit) noexcept {
  std::uint32_t seen = word_.load(std::memory_order_relaxed);
  std::uint32_t sum = 0;
  do {
    if (permits < 0 || permits > static_cast<std::ptrdiff_t>(limit - (seen & most))) {
      base::die("release of %td permits to a hilo::kernel::counting_semaphore that has %u of %u",
                permits, seen & most, limit);
    }
    sum = (seen & most) + static_cast<std::uint32_t>(permits);
    // (P2) release: publishes what came before, to (P1)
  } while (!word_.compare_exchange_weak(seen, sum, std::memory_order_release,
                                        std::memory_order_relaxed));
  if ((seen & sleepers) != 0) kernel_wake_one(&word_);
}

}  // namespace hilo::detail
