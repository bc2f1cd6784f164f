// The protocol of idle workers, as runtime/sched/idling/idle.hpp: one word that every publisher of
// a fiber reads, and a list of sleepers under a lock.
#pragma once

#include <cstdint>
#include <vector>

#include "bench/scaling/spin_lock.hpp"

namespace scaling {

class idle_workers {
 public:
  // After a push to a ring or to the injector.
  step<void> published(worker& by);
  // After a push of a fiber that waits behind the running one.
  step<void> behind_published(worker& by);
  // After a slot was filled.
  step<void> slot_published(worker& by);

  step<bool> begin_search(worker& by, std::size_t workers);
  // True: it was the last searcher.
  step<bool> end_search(worker& by);
  step<void> enter(worker& self, bool was_searching);
  // True: no publisher has taken `self` out before.
  step<bool> leave(worker& self);
  step<bool> begin_watch(worker& by);
  step<void> end_watch(worker& by);

  step<bool> anybody_idle(worker& by);
  std::uint64_t wakes() const noexcept { return wakes_; }
  void forget_wakes() noexcept { wakes_ = 0; }

 private:
  step<void> wake_one(worker& by);
  bool take_out(const worker& one) noexcept;

  line state_line_{part::idle};
  std::uint32_t searching_ = 0, sleeping_ = 0;
  bool watched_ = false;

  line lock_line_{part::sleepers};
  spin_lock lock_{lock_line_};
  std::vector<worker*> sleepers_;
  std::uint64_t wakes_ = 0;
};

}  // namespace scaling
