// What a worker looks at once in a while, between two fibers: whether it must leave its place, its
// port, its timers, and the fibers whose turn comes outside of the usual order.
#include "runtime/sched/watch/lock_warnings.hpp"
#include "runtime/sched/worker.hpp"

namespace hilo::sched {

// Called at the switch `tick`. True: `chosen` runs next, or the base if `chosen` is null.
bool worker::attend(std::uint32_t tick, fiber*& chosen) noexcept {
  queue_.begin_attending(tick);
  if (scheduler_.decides() != nullptr) return false;
  look_at_trace();
  if (trace_.on() || leaves_are_watched()) [[unlikely]]
    queue_.attend_next(tick);  // tracer.hpp
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
    if (trace_.on()) [[unlikely]]
      trace_poll();
    if (timers().next_ns() != timer_wheel::never) {
      const auto fired = static_cast<std::uint32_t>(timers().advance(detail::monotonic_now()));
      if (trace_.on() && fired != 0) trace_.note(trace_what::fires, nullptr, fired);
      queue_.owe(fired, tick);
    }
    fiber* const waited = queue_.take_waited(!searching_);
    if (port_ != nullptr) (void)port_->poll();
    if ((chosen = queue_.choose_after_poll(tick, waited)) != nullptr) return true;
  }
  chosen = queue_.choose_special(tick);
  return chosen != nullptr;
}

// What a trace shows once a period.
void worker::trace_poll() noexcept {
  trace_.look_at_time();
  trace_.note(trace_what::counts, nullptr, queue_.length(), scheduler_.queues().injected().size());
}

}  // namespace hilo::sched
