#include "runtime/sched/idle.hpp"

#include <algorithm>
#include <mutex>

#include "runtime/sched/worker.hpp"

namespace hilo::sched {

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

bool idle_workers::leave(worker& self) noexcept {
  const std::scoped_lock guard(lock_);
  const auto at = std::find(sleepers_.begin(), sleepers_.end(), &self);
  if (at == sleepers_.end()) return false;
  sleepers_.erase(at);
  state_.fetch_add(one_searching - one_sleeping, std::memory_order_seq_cst);
  return true;
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
    // Under the lock only searchers can have come or gone; if one came, it will look.
    const std::uint64_t now = state_.load(std::memory_order_seq_cst);
    if (sleepers_.empty() || searching(now) != 0) return;
    chosen = sleepers_.back();
    sleepers_.pop_back();
    // It searches from now on, so that the next publisher does not wake another one.
    state_.fetch_add(one_searching - one_sleeping, std::memory_order_seq_cst);
  }
  chosen->wake_up();
}

void idle_workers::wake(worker& one) noexcept {
  if (leave(one)) one.wake_up();
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
    chosen->wake_up();
  }
}

}  // namespace hilo::sched
