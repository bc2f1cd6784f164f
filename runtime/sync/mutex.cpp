// A mutex of three states, as in Drepper's "Futexes are tricky", with a wait_list for the futex.
//
// A locker that finds it held sets it to contended and queues, both under queue_lock_. unlock
// leaves the fast path when it finds contended, and under queue_lock_ opens the mutex and wakes the
// first. So no locker can queue between the two and be missed.
//
// The woken one competes with whoever comes along: a running locker that takes an open mutex saves
// a switch. To keep that from starving anybody, a waiter that lost once asks for a hand-over:
// unlock then leaves the mutex closed and gives it to that waiter.

#include "hilo/mutex.hpp"

#include <mutex>

#include "runtime/base/check.hpp"
#include "runtime/base/cpu.hpp"

namespace hilo {
namespace {

constexpr int spins = 40;  // guess: a short critical section on another carrier ends within it

// The slot of a waiter in a mutex says whether it wants the mutex handed over.
char hand_over;

}  // namespace

void mutex::lock_slow() noexcept {
  for (int i = 0; i < spins; ++i) {
    base::cpu_relax();
    if (state_.load(std::memory_order_relaxed) == open && try_lock()) return;
  }
  for (bool lost_before = false;; lost_before = true) {
    queue_lock_.lock();
    // (X1) acquire: as try_lock. It stays contended: others may wait, and we cannot know.
    if (state_.exchange(contended, std::memory_order_acquire) == open) {
      queue_lock_.unlock();
      return;
    }
    detail::waiter& self = detail::current_waiter();
    self.slot = lost_before ? &hand_over : nullptr;
    waiters_.push(self);
    queue_lock_.unlock();
    // A hand-over is ordered by the wake; (X2) of the last holder came before it.
    if (detail::park(self, "mutex") == status::ok && lost_before) return;
  }
}

void mutex::unlock_slow() noexcept {
  queue_lock_.lock();
  const std::uint32_t before = state_.load(std::memory_order_relaxed);  // ours: nobody opens it
  if (before == open) {
    queue_lock_.unlock();
    base::die("unlock of a mutex that is not locked");
  }
  detail::waiter* const next = waiters_.pop();
  if (next != nullptr && next->slot == &hand_over) {
    if (waiters_.empty()) state_.store(held, std::memory_order_relaxed);
    queue_lock_.unlock();
    return detail::wake(*next, status::ok);  // it holds the mutex now
  }
  // (X2) release. Those still queued are the business of the woken one, which takes it as
  // contended.
  state_.store(open, std::memory_order_release);
  queue_lock_.unlock();
  if (next != nullptr) detail::wake(*next, status::ok);
}

void mutex::destroyed_in_use() noexcept {
  base::die("a mutex is destroyed while it is %s",
            waiters_.empty() ? "locked" : "locked and others wait for it");
}

}  // namespace hilo
