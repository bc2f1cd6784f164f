#include "bench/scaling/idle.hpp"

#include <algorithm>

#include "bench/scaling/worker.hpp"

namespace scaling {

step<void> idle_workers::published(worker& by) {
  by.spend_on_barrier();
  co_await by.on().read(by.its_thread(), state_line_);
  if (sleeping_ != 0 && searching_ == 0) co_await wake_one(by);
}

step<void> idle_workers::behind_published(worker& by) {
  by.spend_on_barrier();
  co_await slot_published(by);
}

step<void> idle_workers::slot_published(worker& by) {
  co_await by.on().read(by.its_thread(), state_line_);
  if (sleeping_ != 0 && searching_ == 0 && !watched_) co_await wake_one(by);
}

step<bool> idle_workers::begin_search(worker& by, std::size_t workers) {
  co_await by.on().read(by.its_thread(), state_line_);
  if (std::size_t{2} * searching_ >= workers && workers > 1) co_return false;
  co_await by.on().update(by.its_thread(), state_line_);
  ++searching_;
  co_return true;
}

step<bool> idle_workers::end_search(worker& by) {
  co_await by.on().update(by.its_thread(), state_line_);
  co_return --searching_ == 0;
}

step<void> idle_workers::enter(worker& self, bool was_searching) {
  co_await lock_.lock(self);
  sleepers_.push_back(&self);
  co_await self.on().update(self.its_thread(), state_line_);
  ++sleeping_;
  if (was_searching) --searching_;
  co_await lock_.unlock(self);
}

bool idle_workers::take_out(const worker& one) noexcept {
  const auto at = std::find(sleepers_.begin(), sleepers_.end(), &one);
  if (at == sleepers_.end()) return false;
  sleepers_.erase(at);
  return true;
}

step<bool> idle_workers::leave(worker& self) {
  co_await lock_.lock(self);
  const bool left = take_out(self);
  if (left) {
    co_await self.on().update(self.its_thread(), state_line_);
    ++searching_;
    --sleeping_;
  }
  co_await lock_.unlock(self);
  co_return left;
}

step<bool> idle_workers::begin_watch(worker& by) {
  co_await by.on().update(by.its_thread(), state_line_);
  const bool first = !watched_;
  watched_ = true;
  co_return first;
}

step<void> idle_workers::end_watch(worker& by) {
  co_await by.on().update(by.its_thread(), state_line_);
  watched_ = false;
}

step<bool> idle_workers::anybody_idle(worker& by) {
  co_await by.on().read(by.its_thread(), state_line_);
  co_return searching_ + sleeping_ != 0;
}

step<void> idle_workers::wake_one(worker& by) {
  co_await lock_.lock(by);
  co_await by.on().read(by.its_thread(), state_line_);
  if (sleepers_.empty() || searching_ != 0) {
    co_await lock_.unlock(by);
    co_return;
  }
  worker* const chosen = sleepers_.back();
  sleepers_.pop_back();
  co_await by.on().update(by.its_thread(), state_line_);
  ++searching_;
  --sleeping_;
  co_await lock_.unlock(by);
  ++wakes_;
  co_await chosen->wake_up(by);
}

}  // namespace scaling
