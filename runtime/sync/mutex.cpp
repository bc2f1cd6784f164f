// Whether it is held, and who waits, are guarded by one lock: with an owner (hilo/detail/
// spin_lock.hpp) that is cheaper than a word that is taken and given up by two locked instructions,
// and without one it is no dearer, since its release is a plain store too.
//
// The woken one competes with whoever comes along: a running locker that takes an open mutex saves
// a switch. To keep that from starving anybody, a waiter that lost once asks for a hand-over:
// unlock then leaves the mutex closed and gives it to that waiter.

#include "hilo/mutex.hpp"

#include "runtime/base/check.hpp"
#include "runtime/base/cpu.hpp"

namespace hilo {
namespace {

// How long a locker watches before it parks. It looks seldom, as one that waits for a spin_lock
// does (runtime/base/spin_lock.cpp): each look fetches the line that the holder is about to write.
// Measured with mutex_8 on 2 carriers: 26 ns, against 63 for who looks every time.
constexpr int first_spins = 16;  // about half a microsecond
constexpr int most_spins = 64;   // guess: some 3 us in all, less than a park and a wake cost

// The slot of a waiter in a mutex says whether it wants the mutex handed over.
char hand_over;

}  // namespace

bool mutex::lock_slow(std::int64_t deadline) noexcept {
  for (int spins = first_spins; spins <= most_spins && !detail::simulating(); spins *= 2) {
    for (int i = 0; i < spins; ++i) base::cpu_relax();
    if (try_lock()) return true;
  }
  for (bool lost_before = false;; lost_before = true) {
    lock_.lock();
    if (take()) {
      lock_.unlock_and_keep();
      return true;
    }
    const status end = detail::wait_in_until(waiters_, lock_, lost_before ? &hand_over : nullptr,
                                             deadline, "mutex");
    if (end != status::ok) return false;
    if (lost_before) return true;  // it was handed over, ordered by the wake
  }
}

// With lock_ held: the mutex is free already, or somebody waits.
void mutex::unlock_slow() noexcept {
  if (!held_.load(std::memory_order_relaxed)) {
    lock_.unlock();
    base::die("unlock of a mutex that is not locked");
  }
  detail::wait_node* const next = waiters_.pop();
  if (next == nullptr || next->slot != &hand_over) held_.store(false, std::memory_order_relaxed);
  lock_.unlock();
  if (next != nullptr) detail::wake(*next->owner, status::ok);
}

mutex::~mutex() {
  // An unlock that opened the mutex may not have released lock_ yet; that is its last access.
  detail::retire(waiters_, lock_, "a mutex is destroyed while it is locked and others wait for it");
  HILO_CHECK(!held_.load(std::memory_order_relaxed), "a mutex is destroyed while it is locked");
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
