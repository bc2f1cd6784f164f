// A mutex of three states, as in Drepper's "Futexes are tricky", with a wait_list for the futex.
//
// A locker that finds it held sets it to contended and queues, both under queue_lock_. unlock
// leaves the fast path when it finds contended, and under queue_lock_ opens the mutex and wakes the
// first. So no locker can queue between the two and be missed. One whose deadline passes leaves the
// list under queue_lock_ too; the state may then be contended with nobody waiting, which costs the
// next unlock its fast path and nothing else.
//
// The woken one competes with whoever comes along: a running locker that takes an open mutex saves
// a switch. To keep that from starving anybody, a waiter that lost once asks for a hand-over:
// unlock then leaves the mutex closed and gives it to that waiter.

#include "hilo/mutex.hpp"

#include "runtime/base/check.hpp"
#include "runtime/base/cpu.hpp"

namespace hilo {
namespace {

constexpr int spins = 40;  // guess: a short critical section on another carrier ends within it

// The slot of a waiter in a mutex says whether it wants the mutex handed over.
char hand_over;

}  // namespace

bool mutex::lock_slow(std::int64_t deadline) noexcept {
  for (int i = 0; i < spins; ++i) {
    base::cpu_relax();
    if (state_.load(std::memory_order_relaxed) == open && try_lock()) return true;
  }
  for (bool lost_before = false;; lost_before = true) {
    queue_lock_.lock();
    // (X1) acquire: as try_lock. It stays contended: others may wait, and we cannot know.
    if (state_.exchange(contended, std::memory_order_acquire) == open) {
      queue_lock_.unlock();
      return true;
    }
    const status end = detail::wait_in_until(waiters_, queue_lock_,
                                             lost_before ? &hand_over : nullptr, deadline, "mutex");
    if (end != status::ok) return false;
    // A hand-over is ordered by the wake; (X2) of the last holder came before it.
    if (lost_before) return true;
  }
}

void mutex::unlock_slow() noexcept {
  queue_lock_.lock();
  const std::uint32_t before = state_.load(std::memory_order_relaxed);  // ours: nobody opens it
  if (before == open) {
    queue_lock_.unlock();
    base::die("unlock of a mutex that is not locked");
  }
  detail::wait_node* const next = waiters_.pop();
  if (next != nullptr && next->slot == &hand_over) {
    if (waiters_.empty()) state_.store(held, std::memory_order_relaxed);
    queue_lock_.unlock();
    return detail::wake(*next->owner, status::ok);  // it holds the mutex now
  }
  // (X2) release. Those still queued are the business of the woken one, which takes it as
  // contended.
  state_.store(open, std::memory_order_release);
  queue_lock_.unlock();
  if (next != nullptr) detail::wake(*next->owner, status::ok);
}

mutex::~mutex() {
  // An unlock that opened the mutex may not have released queue_lock_ yet; that is its last access.
  detail::retire(waiters_, queue_lock_,
                 "a mutex is destroyed while it is locked and others wait for it");
  HILO_CHECK(state_.load(std::memory_order_relaxed) == open,
             "a mutex is destroyed while it is locked");
}

bool recursive_mutex::enter_again() noexcept {
  // relaxed: equal to us only if we wrote it
  if (holder_.load(std::memory_order_relaxed) != &detail::current_waiter()) return false;
  HILO_CHECK(++times_ != 0, "a recursive_mutex is locked 2^32 times by its holder");
  return true;
}

bool recursive_mutex::try_lock() noexcept {
  if (enter_again()) return true;
  if (!mutex_.try_lock()) return false;
  holder_.store(&detail::current_waiter(), std::memory_order_relaxed);  // for ourselves only
  times_ = 1;
  return true;
}

bool recursive_mutex::lock_until(std::int64_t deadline) noexcept {
  if (try_lock()) return true;
  if (deadline == detail::no_deadline) {
    mutex_.lock();
  } else if (!mutex_.try_lock_until(
                 std::chrono::steady_clock::time_point(std::chrono::nanoseconds(deadline)))) {
    return false;
  }
  holder_.store(&detail::current_waiter(), std::memory_order_relaxed);  // for ourselves only
  times_ = 1;
  return true;
}

void recursive_mutex::lock() noexcept {
  (void)lock_until(detail::no_deadline);
}

void recursive_mutex::unlock() noexcept {
  HILO_CHECK(holder_.load(std::memory_order_relaxed) == &detail::current_waiter(),
             "unlock of a recursive_mutex that the caller does not hold");
  if (--times_ != 0) return;
  holder_.store(nullptr, std::memory_order_relaxed);  // others only compare it with themselves
  mutex_.unlock();
}

}  // namespace hilo
