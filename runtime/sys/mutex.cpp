// The mutex of three states, after U. Drepper, "Futexes are tricky" (2011), mutex 3.
//
//   0  free
//   1  held, no thread sleeps
//   2  held, a thread may sleep: unlock wakes one
//
// A thread that goes to sleep first makes the word 2. It also takes the mutex by making the word 2,
// because it cannot know whether it was the last sleeper. This costs one wake too many and never
// one too few. The invariant: while a thread sleeps, the word is 2, or a thread that was woken is
// on its way to make it 2. A thread that gives up at its deadline keeps the invariant: no wake has
// ended its sleep, and it leaves the word alone.
#include "hilo/kernel/mutex.hpp"

#include <pthread.h>

#include "hilo/kernel/recursive_mutex.hpp"

#include "runtime/sys/backoff.hpp"

namespace hilo::kernel {

bool mutex::lock_slow(const detail::kernel_deadline* deadline) noexcept {
  sys::backoff moment;
  while (moment.pause()) {
    // relaxed: try_lock orders
    const std::uint32_t seen = word_.load(std::memory_order_relaxed);
    if (seen == contended) break;  // others already sleep for it, so it will take longer
    if (seen == open && try_lock()) return true;
  }
  // (M2) acquire: pairs with (M3)
  while (word_.exchange(contended, std::memory_order_acquire) != open) {
    if (!detail::kernel_sleep(word_, contended, deadline)) return false;
  }
  return true;
}

void mutex::unlock_slow(std::uint32_t was) noexcept {
  if (was == open) detail::kernel_misuse("unlock of a hilo::kernel::mutex that is not locked");
  detail::kernel_wake_one(&word_);
}

std::uintptr_t recursive_mutex::caller() noexcept {
  return reinterpret_cast<std::uintptr_t>(::pthread_self());
}

}  // namespace hilo::kernel
