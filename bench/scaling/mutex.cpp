#include "bench/scaling/mutex.hpp"

namespace scaling {

step<bool> mutex::attempt(fiber& me) {
  worker& here = *me.at;
  co_await here.on().read(here.its_thread(), home_);
  if (holder_ != nullptr) co_return false;
  co_await lock_.lock(here);
  if (holder_ != nullptr) {
    co_await lock_.unlock(here);
    co_return false;
  }
  co_await here.on().write(here.its_thread(), home_);
  holder_ = &me;
  co_await lock_.unlock_and_keep(here);
  co_return true;
}

step<void> mutex::lock(fiber& me) {
  worker& here = *me.at;
  here.on().spend(here.its_thread(), here.home().price().section / 2);
  const bool taken = co_await attempt(me);
  if (!taken) co_await lock_slow(me);
}

step<void> mutex::lock_slow(fiber& me) {
  constexpr unsigned first_spins = 16, most_spins = 64;
  for (unsigned spins = first_spins; spins <= most_spins; spins *= 2) {
    me.at->relax(spins);
    const bool taken = co_await attempt(me);
    if (taken) co_return;
  }
  // At first as a waiter that competes; if it loses after its wake, the mutex is handed over.
  for (bool was_woken = false;; was_woken = true) {
    worker& here = *me.at;
    co_await lock_.lock(here);
    if (was_woken) waking_ = false;
    if (holder_ == nullptr) {
      co_await here.on().write(here.its_thread(), home_);
      holder_ = &me;
      co_await lock_.unlock_and_keep(here);
      co_return;
    }
    co_await here.on().write(here.its_thread(), home_);
    awaited_ = true;
    me.wants_hand_over = was_woken;
    was_woken ? waiters_.push_front(me) : waiters_.push(me);
    ++parks;
    here.on().spend(here.its_thread(), here.home().price().park);
    co_await lock_.unlock_to_wait(here);
    co_await park(me);
    if (was_woken) co_return;  // it was handed over
  }
}

step<void> mutex::unlock(fiber& me) {
  worker& here = *me.at;
  here.on().spend(here.its_thread(), here.home().price().section / 2);
  co_await lock_.lock(here);
  if (awaited_) {
    co_await unlock_slow(me);
    co_return;
  }
  co_await here.on().write(here.its_thread(), home_);
  holder_ = nullptr;
  co_await lock_.unlock(here);
}

step<void> mutex::unlock_slow(fiber& me) {
  worker& here = *me.at;
  fiber* const next = waking_ ? nullptr : waiters_.pop();
  const bool handed = next != nullptr && next->wants_hand_over;
  if (!handed) waking_ = waking_ || next != nullptr;
  if (handed) ++hand_overs;
  co_await here.on().write(here.its_thread(), home_);
  holder_ = handed ? next : nullptr;
  awaited_ = !waiters_.empty();
  co_await lock_.unlock(here);
  if (next != nullptr) co_await wake(me, *next);
}

}  // namespace scaling
