// A condition variable of one word: a count of notifications, and a bit for "somebody may sleep".
//
// A wait sets the bit, takes the word as its ticket, gives up the lock and sleeps while the word is
// the ticket. A notification changes the count, so a wait that began before it either sleeps and is
// woken or finds the word changed. (It must not be overtaken by 2^31 notifications on the way.)
//
// The bit may be cleared only when nobody sleeps, and there is no telling: between a look and the
// clearing another may have gone to sleep with a ticket of the same value. Therefore the clearing
// changes the word, so that nobody falls asleep on the old value from then on, and a wake of all
// comes after it. Those woken in vain see a wait that ended for no reason.
//
// A wait touches nothing after its sleep but the lock, so the variable may be gone by then.
// Orders: a notification that must not be missed comes after its caller took the lock which the
// wait gave up; the lock makes the bit visible. Hence relaxed throughout.
#include "hilo/kernel/condition_variable.hpp"

namespace hilo::kernel {

void condition_variable::notify_one_slow() noexcept {
  std::uint32_t now =
      word_.fetch_add(one_notification, std::memory_order_relaxed) + one_notification;
  if (detail::kernel_wake_one(&word_) != 0) return;
  if (word_.compare_exchange_strong(now, now & ~sleepers, std::memory_order_relaxed,
                                    std::memory_order_relaxed)) {
    detail::kernel_wake_all(&word_);
  }
}

void condition_variable::notify_all_slow() noexcept {
  std::uint32_t now = word_.load(std::memory_order_relaxed);
  while (!word_.compare_exchange_weak(now, (now + one_notification) & ~sleepers,
                                      std::memory_order_relaxed, std::memory_order_relaxed)) {
  }
  detail::kernel_wake_all(&word_);
}

}  // namespace hilo::kernel
