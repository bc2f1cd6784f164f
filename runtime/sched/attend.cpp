// What a worker looks at once in a while, between two fibers: whether it must leave its place, its
// port, its timers, and the fibers whose turn comes outside of the usual order.
#include "runtime/sched/worker.hpp"

namespace hilo::sched {

// Called at the switch `tick`. True: `chosen` runs next, or the base if `chosen` is null.
bool worker::attend(std::uint32_t tick, fiber*& chosen) noexcept {
  queue_.begin_attending(tick);
  if (scheduler_.decides() != nullptr) return false;
  if (place_.closes()) {
    if (retired_) return attend_to_pinned(tick, chosen);
    if (called_back()) return true;
  }
  if (carrier_.lost() && !carrier_.shares_for_good()) share_for_good();
  if (port_ != nullptr && port_->has_mail()) (void)port_->poll();
  if (queue_.poll_is_due(tick)) {
    // No thief is left, and none comes before the owner has slept in a system call (share()).
    if (queue_.shared() && !carrier_.shares_for_good() && !scheduler_.spare().carriers_beside()) {
      queue_.set_shared(false);
    }
    if (timers().next_ns() != timer_wheel::never) {
      queue_.owe(static_cast<std::uint32_t>(timers().advance(detail::monotonic_now())), tick);
    }
    fiber* const waited = queue_.take_waited(!searching_);
    if (port_ != nullptr) (void)port_->poll();
    if ((chosen = queue_.choose_after_poll(tick, waited)) != nullptr) return true;
  }
  chosen = queue_.choose_special(tick);
  return chosen != nullptr;
}

}  // namespace hilo::sched
