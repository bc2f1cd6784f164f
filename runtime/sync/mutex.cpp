// One lock guards both whether the mutex is held and its list of waiters. If the lock has an owner
// (hilo/detail/spin_lock.hpp), that is cheaper than a word that is taken and given up by two locked
// instructions. If it has no owner, it costs no more than such a word, because its release is a
// plain store too.
//
// The woken waiter competes with callers that arrive meanwhile: a running caller that takes an open
// mutex saves a switch. So that this does not starve a waiter, a waiter that lost once asks for a
// hand-over: unlock then leaves the mutex closed and gives it to that waiter. And only one waiter
// is on its way at a time (`waking_`): until it has come back, unlock wakes no other. So a waiter
// that lost goes back to the front of the list, and no other waiter in the list has waited longer.
// The order is kept.

#include "hilo/mutex.hpp"

#include "runtime/base/check.hpp"
#include "runtime/base/cpu.hpp"

namespace hilo {
namespace {

// How long a locker watches before it parks. It looks seldom, as a waiter for a spin_lock does
// (runtime/base/spin_lock.cpp): each look fetches the line that the holder is about to write.
// Measured with mutex_8 on 2 carriers: 26 ns, against 63 for a locker that looks every time.
constexpr int first_spins = 16;  // about half a microsecond
constexpr int most_spins = 64;   // guess: some 3 us in all, less than a park and a wake cost

// The slot of a waiter in a mutex says whether it wants the mutex handed over.
char hand_over;

}  // namespace

bool mutex::lock_slow(std::int64_t deadline) noexcept {
  const name me = name_on(detail::current_carrier());
  // relaxed: equal to us only if we wrote it, or if the mutex was handed to us
  if ((holder_.load(std::memory_order_relaxed) & ~awaited) == me &&
      (deadline == detail::until_woken || deadline == detail::no_deadline)) {
    base::die("lock of a mutex that the caller holds already: use a recursive_mutex");
  }
  for (int spins = first_spins; spins <= most_spins && !detail::simulating(); spins *= 2) {
    for (int i = 0; i < spins; ++i) base::cpu_relax();
    if (attempt()) return true;
  }
  lock_.lock();
  if (take(me)) {
    lock_.unlock_and_keep(detail::current_carrier());
    return true;
  }
  note_waiter();
  if (detail::wait_in_until(waiters_, lock_, nullptr, deadline, "mutex") != status::ok) {
    return false;
  }
  return take_woken(me, deadline);
}

// The caller was woken by an unlock that opened the mutex.
bool mutex::take_woken(name me, std::int64_t deadline) noexcept {
  lock_.lock();
  waking_ = false;
  if (take(me)) {
    lock_.unlock_and_keep(detail::current_carrier());
    return true;
  }
  note_waiter();
  detail::waiter& self = detail::current_waiter();
  status end = detail::begin_wait(self, waiters_, lock_, &hand_over, deadline);
  if (end == status::ok) waiters_.move_last_to_front();
  lock_.unlock_to_wait();
  if (end == status::ok) end = detail::finish_wait(self, deadline, "mutex");
  return end == status::ok;  // it was handed over; the wake orders us after the last holder
}

// lock_ is held. The caller `me` does not hold the mutex, or a waiter may be in the list.
void mutex::unlock_slow(name me) noexcept {
  const name holder = holder_.load(std::memory_order_relaxed) & ~awaited;
  if (holder != me) {
    lock_.unlock();
    base::die(holder == 0 ? "unlock of a mutex that is not locked"
                          : "unlock of a mutex that another fiber or thread holds");
  }
  detail::wait_node* const next = waking_ ? nullptr : waiters_.pop();
  const bool handed = next != nullptr && next->slot == &hand_over;
  if (!handed) waking_ = waking_ || next != nullptr;
  const name after = handed ? reinterpret_cast<name>(detail::holder_of(*next->owner)) : 0;
  holder_.store(after | (waiters_.empty() ? 0 : awaited), std::memory_order_relaxed);
  lock_.unlock();
  if (next != nullptr) detail::wake(*next->owner, status::ok);
}

mutex::~mutex() {
  // An unlock that opened the mutex may not have released lock_ yet. That release is its last
  // access.
  detail::retire(waiters_, lock_, "a mutex is destroyed while it is locked and others wait for it");
  HILO_CHECK(holder_.load(std::memory_order_relaxed) <= awaited,
             "a mutex is destroyed while it is locked");
}

// The holder's name is that of mutex_, which is the fiber's also while hilo::blocking runs its
// callable in a kernel thread.
bool recursive_mutex::held_by_caller() const noexcept {
  // relaxed: equal to the caller only if the caller wrote it, or was handed the mutex
  return (mutex_.holder_.load(std::memory_order_relaxed) & ~mutex::awaited) ==
         mutex::name_on(detail::current_carrier());
}

bool recursive_mutex::enter_again() noexcept {
  if (!held_by_caller()) return false;
  HILO_CHECK(++times_ != 0, "a recursive_mutex is locked 2^32 times by its holder");
  return true;
}

bool recursive_mutex::try_lock() noexcept {
  if (attempt()) return true;
  detail::count_eager();
  return false;
}

bool recursive_mutex::attempt() noexcept {
  if (enter_again()) return true;
  if (!mutex_.attempt()) return false;
  times_ = 1;
  return true;
}

bool recursive_mutex::lock_until(std::int64_t deadline) noexcept {
  if (attempt()) return true;
  if (!mutex_.lock_slow(deadline)) return false;
  times_ = 1;
  return true;
}

void recursive_mutex::lock() noexcept {
  (void)lock_until(detail::until_woken);
}

void recursive_mutex::unlock() noexcept {
  HILO_CHECK(held_by_caller(), "unlock of a recursive_mutex that the caller does not hold");
  if (--times_ != 0) return;
  mutex_.unlock();
}

}  // namespace hilo
