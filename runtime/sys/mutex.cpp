// The mutex of three states, after U. Drepper, "Futexes are tricky" (2011), mutex 3, with the
// number of its holder (detail/thread_number.hpp).
//
//   0                        free
//   a number                 held by that thread, no thread sleeps
//   a number and contended   held by that thread, a thread may sleep: unlock wakes one
//
// A thread that goes to sleep first sets the bit. It also takes the mutex with the bit, because it
// cannot know whether it was the last sleeper. This costs one wake too many and never one too few.
// The invariant: while a thread sleeps, the bit is set, or a thread that was woken is on its way to
// set it. A thread that gives up at its deadline keeps the invariant: no wake has ended its sleep,
// and it leaves the word alone.
//
// The number costs lock and unlock a load of a thread-local variable each, which runs beside the
// atomic instruction.
#include "hilo/kernel/mutex.hpp"

#include <pthread.h>

#include "hilo/kernel/recursive_mutex.hpp"

#include "runtime/sys/backoff.hpp"

namespace hilo::kernel {

bool mutex::lock_slow(const detail::kernel_deadline* deadline) noexcept {
  const std::uint32_t me = detail::thread_number();
  // relaxed: the calling thread wrote its own number, or no thread did
  if ((word_.load(std::memory_order_relaxed) & ~contended) == me &&
      me != detail::shared_thread_number &&
      (deadline == nullptr || *deadline == detail::kernel_deadline::max())) {
    detail::kernel_misuse("lock of a hilo::kernel::mutex that the thread holds already");
  }
  sys::backoff moment;
  while (moment.pause()) {
    // relaxed: take() orders
    const std::uint32_t seen = word_.load(std::memory_order_relaxed);
    if ((seen & contended) != 0) break;  // others already sleep for it, so it will take longer
    if (seen == open && take(me)) return true;
  }
  std::uint32_t seen = word_.load(std::memory_order_relaxed);
  while (true) {
    const std::uint32_t wanted = (seen == open ? me : seen) | contended;
    // (M2) acquire: pairs with (M3)
    if (seen != wanted && !word_.compare_exchange_weak(seen, wanted, std::memory_order_acquire,
                                                       std::memory_order_relaxed)) {
      continue;
    }
    if (seen == open) return true;
    if (!detail::kernel_sleep(word_, wanted, deadline)) return false;
    seen = word_.load(std::memory_order_relaxed);
  }
}

// `was`: what the word held before this unlock. `me`: the caller's number.
void mutex::unlock_slow(std::uint32_t was, std::uint32_t me) noexcept {
  if (was == open) detail::kernel_misuse("unlock of a hilo::kernel::mutex that is not locked");
  if ((was & ~contended) != me) {
    detail::kernel_misuse("unlock of a hilo::kernel::mutex that another thread holds");
  }
  detail::kernel_wake_one(&word_);
}

std::uintptr_t recursive_mutex::caller() noexcept {
  return reinterpret_cast<std::uintptr_t>(::pthread_self());
}

}  // namespace hilo::kernel
