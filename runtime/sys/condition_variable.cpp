// A condition variable of one word: a count of notifications, and a bit for "a thread may sleep".
//
// A wait sets the bit, takes the word as its ticket, gives up the lock and sleeps while the word
// equals the ticket. A notification changes the count. So a wait that began before the notification
// either sleeps and is woken, or finds the word changed. (2^31 notifications must not happen
// between ticket and sleep.)
//
// The bit may be cleared only when no thread sleeps, and a notification cannot know that: between
// its look and its clearing, another thread may have gone to sleep with a ticket of the same value.
// Therefore the clearing changes the word, so that no thread falls asleep on the old value from
// then on. After the clearing all sleepers are woken. A thread woken in vain sees a wait that ended
// for no reason.
//
// After its sleep a wait touches nothing except the lock, so the variable may be gone by then.
// Orders: a notification that must not be missed comes after its caller took the lock which the
// wait gave up. The lock makes the bit visible. So all orders are relaxed.
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
