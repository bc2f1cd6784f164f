#include "runtime/sched/idling/idle.hpp"

#include <algorithm>
#include <mutex>

#include "runtime/sched/worker.hpp"

namespace hilo::sched {
namespace {

bool erase_from(std::vector<worker*>& list, const worker& one) noexcept {
  const auto at = std::find(list.begin(), list.end(), &one);
  if (at == list.end()) return false;
  list.erase(at);
  return true;
}

}  // namespace

bool idle_workers::begin_search(std::size_t workers) noexcept {
  const std::uint64_t now = state_.load(std::memory_order_relaxed);  // a cap, not a promise
  if (2 * searching(now) >= workers && workers > 1) return false;
  state_.fetch_add(one_searching, std::memory_order_seq_cst);
  return true;
}

bool idle_workers::end_search() noexcept {
  return searching(state_.fetch_sub(one_searching, std::memory_order_seq_cst)) == 1;
}

void idle_workers::enter(worker& self, bool was_searching) noexcept {
  const std::scoped_lock guard(lock_);
  sleepers_.push_back(&self);  // reserved: never allocates
  state_.fetch_add(one_sleeping - (was_searching ? one_searching : 0),
                   std::memory_order_seq_cst);  // (Q1), (Q2)
}

// Under the lock.
bool idle_workers::take_out(worker& one) noexcept {
  if (!erase_from(sleepers_, one)) return false;
  state_.fetch_add(one_searching - one_sleeping, std::memory_order_seq_cst);
  return true;
}

bool idle_workers::leave(worker& self) noexcept {
  const std::scoped_lock guard(lock_);
  return take_out(self);
}

void idle_workers::enter_aside(worker& self) noexcept {
  const std::scoped_lock guard(lock_);
  aside_.push_back(&self);  // reserved: never allocates
}

bool idle_workers::leave_aside(worker& self) noexcept {
  const std::scoped_lock guard(lock_);
  return erase_from(aside_, self);
}

bool idle_workers::begin_watch() noexcept {
  return (state_.fetch_or(watcher_bit, std::memory_order_seq_cst) & watcher_bit) == 0;
}

void idle_workers::end_watch() noexcept {
  state_.fetch_and(~watcher_bit, std::memory_order_seq_cst);
}

void idle_workers::wake_one() noexcept {
  worker* chosen = nullptr;
  {
    const std::scoped_lock guard(lock_);
    // While we hold the lock, only searchers can come or go. If a searcher came, it will find the
    // work.
    const std::uint64_t now = state_.load(std::memory_order_seq_cst);
    if (sleepers_.empty() || searching(now) != 0) return;
    chosen = sleepers_.back();
    sleepers_.pop_back();
    // The chosen worker searches from now on, so the next publisher does not wake another worker.
    state_.fetch_add(one_searching - one_sleeping, std::memory_order_seq_cst);
  }
  chosen->its_bed().wake_up();
}

void idle_workers::wake(worker& one) noexcept {
  lock_.lock();
  const bool slept = take_out(one) || erase_from(aside_, one);
  lock_.unlock();
  if (slept) one.its_bed().wake_up();
}

// The holder is read under the lock. A worker that came to the place and fell asleep there before
// the caller's last store is found. A worker that falls asleep later sees that store.
void idle_workers::wake_holder(const place& at) noexcept {
  lock_.lock();
  worker* const holder = at.holder.load(std::memory_order_acquire);  // (U)
  const bool slept = holder != nullptr && take_out(*holder);
  lock_.unlock();
  if (slept) holder->its_bed().wake_up();
}

void idle_workers::wake_all() noexcept {
  while (true) {
    worker* chosen = nullptr;
    {
      const std::scoped_lock guard(lock_);
      if (sleepers_.empty()) return;
      chosen = sleepers_.back();
      sleepers_.pop_back();
      state_.fetch_add(one_searching - one_sleeping, std::memory_order_seq_cst);
    }
    chosen->its_bed().wake_up();
  }
}

}  // namespace hilo::sched
