#include "runtime/sched/time/timer_duty.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>

#include "hilo/detail/deadline.hpp"

#include "runtime/sched/worker.hpp"

namespace hilo::sched {
namespace {

using std::chrono::microseconds;
using std::chrono::nanoseconds;

// Where many timers are armed, a sleeper wakes for them at most this often, and fires several
// together: a wake-up costs as much as about ten timers. Where there are few timers, each is on
// time.
constexpr nanoseconds timer_spacing = microseconds(300);
constexpr std::uint32_t few_timers = 32;  // guess
// To wake a carrier and let it search takes about as long.
constexpr nanoseconds quick_batch = microseconds(100);

}  // namespace

std::size_t timer_duty::fire(timer_wheel& own, run_queue& queue) noexcept {
  const std::int64_t next = own.next_ns();
  if (next == timer_wheel::never) return 0;
  const std::int64_t now = detail::monotonic_now();
  if (next > now) return 0;
  fired_at_ = now;
  scheduler_.set_fired_at(now);
  up_for_timers_ = true;
  queue.keep_quiet(quick_batches_ && !batch_runs_);
  batch_runs_ = true;
  std::size_t woken = own.advance(now);
  for (std::size_t i = 0; queue.shared() && i < scheduler_.carriers(); ++i) {
    timer_wheel& wheel = scheduler_.wheel(i);
    if (&wheel == &own || wheel.next_ns() > now) continue;
    const worker* const holder =
        scheduler_.base_place(i).holder.load(std::memory_order_acquire);  // (U)
    if (holder->now_doing() == worker::activity::asleep) woken += wheel.advance(now);
  }
  return woken;
}

std::int64_t timer_duty::next_alarm(const timer_wheel& own) const noexcept {
  const std::int64_t next = own.next_ns();
  if (own.size() <= few_timers) return next;
  const std::int64_t last = scheduler_.fired_at();
  const std::int64_t spacing = timer_spacing.count();
  return std::max(next, last + (last == fired_at_ ? spacing : 2 * spacing));
}

void timer_duty::end_batch(std::int64_t now) noexcept {
  quick_batches_ = std::exchange(batch_runs_, false) && now - fired_at_ <= quick_batch.count();
}

}  // namespace hilo::sched
