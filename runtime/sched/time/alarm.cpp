#include "runtime/sched/time/alarm.hpp"

#include <utility>

namespace hilo::sched {

alarm::alarm(detail::waiter& whose) noexcept : timer(fire, &whose) {
  destroy = [](detail::local_value& base) noexcept {
    auto& self = static_cast<alarm&>(base);
    self.listed_ = false;
    self.wheel->cancel(self);
  };
}

void alarm::arm(timer_wheel& into, detail::local_value*& locals, std::int64_t deadline) noexcept {
  if (wheel != nullptr) wheel->cancel(*this);
  if (!std::exchange(listed_, true)) {
    local_value::next = locals;
    locals = this;
  }
  when_.store(deadline, std::memory_order_relaxed);  // no thread fires it now
  frames_.store(__builtin_frame_address(0), std::memory_order_relaxed);
  into.arm(*this, deadline);
}

fired alarm::fire(timer& base, std::int64_t now, bool behind_fence) noexcept {
  auto& self = static_cast<alarm&>(base);
  detail::waiter& whose = *self.whose;
  // acquire: the deadline read next is that of this wait, or of a later wait, or none
  std::uint32_t wait = whose.claimed.load(std::memory_order_acquire);
  // (D4) acquire: if the deadline is that of this wait, then that wait can be ended
  const std::int64_t until = self.until_.load(std::memory_order_acquire);
  if (until <= now && (wait & 1) == 0 &&
      whose.claimed.compare_exchange_strong(wait, wait | 1, std::memory_order_acq_rel,
                                            std::memory_order_relaxed)) {  // (E7)
    detail::leave_claimed(whose);
    return {.winner = &whose};
  }
  if (!behind_fence) return {.unsure = true};
  // This wait's time has come, but another waker ends it. Its fiber will see that the alarm has
  // gone off.
  if (until == detail::no_deadline || until <= now) return {};
  self.when_.store(until, std::memory_order_relaxed);
  return {.again = until};
}

}  // namespace hilo::sched
