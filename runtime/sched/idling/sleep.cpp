// The sleep of a worker that found no work.
#include <algorithm>
#include <chrono>
#include <utility>

#include "hilo/detail/deadline.hpp"

#include "runtime/sched/worker.hpp"

namespace hilo::sched {
namespace {

using std::chrono::microseconds;
using std::chrono::nanoseconds;

// How a watcher naps.
constexpr nanoseconds first_watch = microseconds(20);
constexpr nanoseconds longest_watch = microseconds(200);
// Two fibers that wake each other in turns are behind one another half of the time. So a watcher
// naps some more times when it sees nothing, and so does a worker that was woken in vain.
constexpr int vain_naps = 3;

}  // namespace

// Sleeps until woken or until a timer is due. If fibers wait behind the running one of another
// worker, one sleeper becomes a watcher: it naps, and takes some of them when they wait for longer
// than a theft costs.
void worker::sleep() noexcept {
  const std::int64_t now = detail::monotonic_now();
  duty_.end_batch(now);
  idle_time_.begin(now);
  std::int64_t time = now;
  std::int64_t tidy_at = tidy(now);
  bed_.make();  // no thread wakes us before enter() publishes us
  activity_.store(activity::asleep, std::memory_order_relaxed);
  idle_workers& idle = scheduler_.idle();
  worker* other = nullptr;
  int naps = woken_at_ == queue_.tick() ? vain_naps : 0;
  const auto worth_watching = [&] {
    other = find_behind();
    if (other != nullptr) naps = vain_naps;
    return other != nullptr || naps-- > 0;
  };
  // Before (Q1): else the next publisher of a fiber that waits behind another would find a sleeper
  // and no watcher, and wake us again.
  bool watching = worth_watching() && idle.begin_watch();
  idle.enter(*this, std::exchange(searching_, false));  // (Q1)
  ask_for_forks();
  scheduler_.idle_reached();
  bool stay = !work_somewhere() && !scheduler_.stopping();  // (Q3)
  if (port_ != nullptr && port_->has_mail()) stay = false;
  if (called_back()) stay = false;  // the caller did not find us among the sleepers yet
  nanoseconds nap = first_watch;
  worker* slow = nullptr;
  run_queue::sight then;
  while (stay && !bed_.woken()) {         // (K2)
    const bool worth = worth_watching();  // (Q3), after (Q1) or after the last end_watch()
    if (watching && !worth) {
      idle.end_watch();
      watching = false;
      continue;  // a fiber that came before the bit was cleared woke nobody
    }
    watching = watching || (worth && idle.begin_watch());
    const std::int64_t start = watching ? detail::monotonic_now() : 0;
    std::int64_t until = std::min(duty_.next_alarm(timers()), tidy_at);
    if (watching) {
      if (other != nullptr) then = other->its_queue().look();
      until = std::min(until, start + nap.count());
    }
    const bool ready = bed_.doze(until, choose_port());
    time = detail::monotonic_now();
    if (ready) break;
    if (duty_.next_alarm(timers()) <= time) break;
    if (tidy_at <= time) {
      drowsy_ = true;
      break;
    }
    if (watching && other != nullptr && other->its_queue().overdue(then, time - start)) {
      slow = other;
      break;
    }
    nap = std::min(nap * 2, longest_watch);
  }
  if (watching) idle.end_watch();
  idle_time_.end(time);
  const bool left = idle.leave(*this);
  activity_.store(activity::running, std::memory_order_relaxed);
  searching_ = true;
  if (left) {
    if (slow == nullptr) return;
    // Fibers that wait behind others are not special, unless their wakes are measured or traced.
    if (fiber* one = slow->its_queue().steal_behind(queue_, then)) {
      queue_.put_last(*stolen_from(*slow, *one));
    }
    return;
  }
  woken_at_ = queue_.tick();
  // A publisher took us out of the sleepers: its store comes within a few instructions.
  bed_.await_wake_up();
}

void worker::spill_caches() noexcept {
  for (auto& cache : caches_) cache.spill_all();
}

// Called before a sleep: gives back stacks that were not needed. Returns the latest time at which
// the sleep must end.
std::int64_t worker::tidy(std::int64_t now) noexcept {
  if (std::exchange(drowsy_, false)) spill_caches();
  const bool more = scheduler_.tidy_stacks(now);
  if (more) return now;
  for (const auto& cache : caches_) {
    if (!cache.empty()) return now + scheduler::tidy_period;
  }
  return scheduler_.spare_stacks() ? now + scheduler::tidy_period : timer_wheel::never;
}

// The port to sleep in: our own for calls that only we can end; otherwise the common port, if no
// other worker waits there; null: the futex.
port* worker::choose_port() const noexcept {
  if (port_ != nullptr && port_->may_wait()) return port_.get();
  port* const common = common_port();
  return common != nullptr && common->may_wait() ? common : nullptr;
}

port* worker::common_port() const noexcept {
  driver* const io = scheduler_.io_if_made();
  return io != nullptr ? io->common_port() : nullptr;
}

void worker::summon() noexcept {
  queue_.prompt();
  if (current_worker() != this) scheduler_.idle().wake(*this);
}

}  // namespace hilo::sched
