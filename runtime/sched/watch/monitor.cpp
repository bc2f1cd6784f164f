#include "runtime/sched/watch/monitor.hpp"

#include <algorithm>
#include <cerrno>
#include <exception>
#include <mutex>
#include <utility>

#include <unistd.h>

#include "runtime/sched/time/coarse_clock.hpp"
#include "runtime/sched/watch/busy_report.hpp"
#include "runtime/sched/watch/dump_signal.hpp"
#include "runtime/sched/worker.hpp"

namespace hilo::sched {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

// Naps while some worker runs. They double while no worker switches. The longest naps are for when
// no worker is left to be relieved.
constexpr std::int64_t shortest_nap = nanoseconds(milliseconds(5)).count();
constexpr std::int64_t long_nap = nanoseconds(milliseconds(10)).count();
constexpr std::int64_t longest_monitor_nap = nanoseconds(milliseconds(100)).count();
constexpr std::int64_t overdue = nanoseconds(milliseconds(1)).count();
constexpr std::int64_t report_period = nanoseconds(std::chrono::seconds(1)).count();

// How long to wait for a moment at which a busy fiber can be asked where it is.
constexpr std::int64_t patience_to_ask = nanoseconds(std::chrono::seconds(1)).count();

// How long an order may wait for a monitor that is busy with a report: the report's sink is user
// code.
constexpr std::chrono::seconds patience_of_orders(1);

std::int64_t to_ns(milliseconds time) noexcept {
  return nanoseconds(std::clamp<milliseconds>(time, milliseconds(0), std::chrono::hours(24 * 365)))
      .count();
}

}  // namespace

monitor::monitor(scheduler& watched, const runtime_options& options, on_deadlock at_deadlock,
                 bool dumps)
    : scheduler_(watched),
      stuck_after_(to_ns(options.stuck_after)),
      busy_after_(to_ns(options.report_busy_after)),
      report_(options.report_busy),
      word_(stuck_after_ == 0 && busy_after_ == 0 && !dumps && !watched.warns_about_locks()
                ? awake
                : absent),
      deadlocks_(stuck_after_ == 0 && busy_after_ == 0 ? on_deadlock::off : at_deadlock),
      lock_cycles_(watched.warns_about_locks()) {}

void monitor::rouse() noexcept {
  note_time(detail::monotonic_now());
  std::uint32_t seen = dozing;
  if (word_.compare_exchange_strong(seen, awake, std::memory_order_acq_rel,
                                    std::memory_order_acquire)) {
    sys::futex_wake_one(&word_);
    return;
  }
  if (seen != absent) return;
  const std::scoped_lock guard(starting_);
  if (!word_.compare_exchange_strong(seen, awake, std::memory_order_acq_rel,
                                     std::memory_order_relaxed)) {
    return;
  }
  try {
    seen_.resize(scheduler_.most_workers());
    thread_ = thread(thread_options{.name = "hilo/monitor", .stack_size = 256 * 1024},
                     [this] { watch(); });
    tid_.store(thread_.native_id(), std::memory_order_relaxed);
  } catch (const std::exception&) {
    // There was no thread or no memory. Everything else works without a monitor.
  }
}

// `asked` stays in the word until the monitor has seen it: the monitor goes to sleep only by a
// compare-exchange from awake, and its naps end when the word is not awake.
bool monitor::start_spare(worker*& one) noexcept {
  const std::scoped_lock guard(starting_);
  if (!thread_.joinable()) return scheduler_.start_spare(one);
  order mine{one};
  order_.store(&mine, std::memory_order_release);  // (O)
  word_.store(asked, std::memory_order_release);
  sys::futex_wake_one(&word_);
  const auto until = sys::futex_clock::now() + patience_of_orders;
  while (mine.done.load(std::memory_order_acquire) == 0) {  // (O)
    if (sys::futex_wait_until(mine.done, 0, until) != -ETIMEDOUT) continue;
    order* expected = &mine;
    if (order_.compare_exchange_strong(expected, nullptr, std::memory_order_acq_rel,
                                       std::memory_order_acquire)) {  // (O)
      return scheduler_.start_spare(one);
    }
    while (mine.done.load(std::memory_order_acquire) == 0) sys::futex_wait(mine.done, 0);  // (O)
  }
  return mine.made;
}

// As an order without content.
bool monitor::ask_for_dump() noexcept {
  if (tid_.load(std::memory_order_relaxed) == 0) return false;
  dump_wanted_.store(true, std::memory_order_release);
  std::uint32_t seen = word_.load(std::memory_order_relaxed);
  while (seen == awake || seen == dozing) {
    if (word_.compare_exchange_weak(seen, asked, std::memory_order_acq_rel,
                                    std::memory_order_relaxed)) {
      sys::futex_wake_one(&word_);
      return true;
    }
  }
  return seen == asked;
}

void monitor::take_order() noexcept {
  std::uint32_t seen = asked;
  if (!word_.compare_exchange_strong(seen, awake, std::memory_order_acq_rel,
                                     std::memory_order_relaxed)) {
    return;
  }
  order* const mine = order_.exchange(nullptr, std::memory_order_acq_rel);  // (O)
  if (mine == nullptr) return;                                              // it was taken back
  mine->made = scheduler_.start_spare(mine->one);
  sys::futex_word& done = mine->done;
  done.store(1, std::memory_order_release);  // (O) from here on `mine` may be gone
  sys::futex_wake_one(&done);                // uses the address as a name only
}

void monitor::stop() noexcept {
  thread last;
  {
    const std::scoped_lock guard(starting_);
    word_.store(ended, std::memory_order_release);
    last = std::move(thread_);
  }
  sys::futex_wake_one(&word_);
}

// Sleeps until a worker runs a fiber again. On the way it may look for cycles and for a deadlock.
void monitor::doze() noexcept {
  lock_cycles_.look();
  if (!deadlocks_.wants_look()) {
    sys::futex_wait(word_, dozing);
    return;
  }
  const std::int64_t until = detail::monotonic_now() + deadlocks_.pause();
  const long end =
      sys::futex_wait_until(word_, dozing, sys::futex_clock::time_point(nanoseconds(until)));
  if (end == -ETIMEDOUT) deadlocks_.look();
}

void monitor::watch() noexcept {
  std::int64_t nap = shortest_nap;
  while (word_.load(std::memory_order_acquire) != ended) {
    take_order();
    if (dump_wanted_.load(std::memory_order_relaxed) &&
        dump_wanted_.exchange(false, std::memory_order_acquire)) {
      write_dump(STDERR_FILENO);
    }
    const std::int64_t now = detail::monotonic_now();
    note_time(now);
    lock_cycles_.look_if_due(now);
    const finding worst = look(now);
    if (worst == finding::moves) deadlocks_.restart();
    nap = worst == finding::moves
              ? shortest_nap
              : std::min(nap * 2, worst == finding::waits ? long_nap : longest_monitor_nap);
    const std::uint32_t places = scheduler_.carriers() + scheduler_.spare().extra_places();
    std::uint32_t seen = awake;
    // Not while some worker moves: a server that sleeps after each request would wake us for each.
    // Not while a place must still be closed.
    if (worst != finding::moves && open_ == 0 && scheduler_.idle().sleepers() >= places &&
        word_.compare_exchange_strong(seen, dozing, std::memory_order_seq_cst)) {  // (D1)
      if (scheduler_.idle().sleepers() >= places) {                                // (D2)
        doze();
        nap = shortest_nap;
      }
      seen = dozing;
      word_.compare_exchange_strong(seen, awake, std::memory_order_acq_rel,
                                    std::memory_order_relaxed);
      continue;
    }
    const std::int64_t until = std::min(now + nap, std::max(now + shortest_nap, next_timer()));
    sys::futex_wait_until(word_, awake, sys::futex_clock::time_point(nanoseconds(until)));
  }
}

// Looks at every worker and every wheel.
monitor::finding monitor::look(std::int64_t now) noexcept {
  finding worst = finding::settled;
  for (std::size_t i = 0; i < scheduler_.workers(); ++i) {
    worst = std::max(worst, look_at(scheduler_.at(i), seen_[i], now));
  }
  for (std::size_t i = 0; i < scheduler_.carriers(); ++i) {
    timer_wheel& wheel = scheduler_.wheel(i);
    if (wheel.next_ns() >= now - overdue) continue;
    const worker* const holder =
        scheduler_.base_place(i).holder.load(std::memory_order_acquire);  // (U)
    if (seen_[holder->index()].since != now) wheel.advance(now);  // it runs, without a switch
  }
  if (driver* const io = scheduler_.io_if_made()) io->look_after(now);
  return worst;
}

// When the first timer is overdue.
std::int64_t monitor::next_timer() noexcept {
  std::int64_t first = timer_wheel::never - overdue;
  for (std::size_t i = 0; i < scheduler_.carriers(); ++i) {
    first = std::min(first, scheduler_.wheel(i).next_ns());
  }
  return first + overdue;
}

monitor::finding monitor::look_at(worker& one, record& last, std::int64_t now) noexcept {
  const std::uint32_t tick = one.its_queue().tick();
  const bool runs = one.now_doing() == worker::activity::running && !one.its_place().blocks();
  const bool moved = tick != last.tick;
  if (!runs || moved || last.since == 0) {
    last.tick = tick;
    last.since = now;
    last.may_compute_since = now;
    last.at_last = cpu_use();
    if (last.extra != nullptr) {
      scheduler_.spare().close_extra(*std::exchange(last.extra, nullptr));
      --open_;
    }
    return moved ? finding::moves : runs ? finding::waits : finding::settled;
  }
  // It has a replacement. It may compute all the same: after its call, or because the clock could
  // not tell the two apart.
  const bool replaced = last.extra != nullptr;
  const std::int64_t held = now - last.since;
  const bool stuck = !replaced && stuck_after_ != 0 && held >= stuck_after_;
  // Not since its last switch: a fiber that comes back from a long call has not computed meanwhile.
  // A fiber that makes many short calls has.
  const std::int64_t computed = now - last.may_compute_since;
  const bool busy =
      busy_after_ != 0 && computed >= busy_after_ && now - reported_at_ >= report_period;
  const finding as_before = replaced ? finding::settled : finding::waits;
  if (replaced && !busy) return as_before;
  const sight seen = see(one, last, now, stuck || busy);
  if (seen.state == carrier_state::in_call && seen.idle) last.may_compute_since = now;
  if (!stuck && !busy) return as_before;
  if (stuck && seen.state != carrier_state::computes) relieve(one, last, seen.exact);
  if (busy && seen.state == carrier_state::computes) {
    const bool askable = computes_for_certain(one.its_carrier().id(), last.at_first);
    if (!askable && computed < busy_after_ + patience_to_ask) return as_before;
    if (report_busy_fiber(one, tick, computed, askable, report_)) reported_at_ = now;
  }
  return as_before;
}

// The thread is idle if it used less than an eighth of the time since the last look, and if only
// the clock can tell, the worker is then in a call. Guess: a loop of short calls uses less than
// that, and a thread that computes uses more, except on the most loaded machines.
monitor::sight monitor::see(worker& one, record& last, std::int64_t now, bool thorough) noexcept {
  const cpu_use use = cpu_use_of(one.its_carrier().id());
  const cpu_use before = std::exchange(last.at_last, use);
  const std::int64_t time = now - std::exchange(last.last_at, now);
  if (before.all < 0) last.at_first = use;
  const bool known = use.all >= 0 && before.all >= 0;
  const bool idle = known && (use.all - before.all) * 8 < time;
  if (const carrier_state exact = one.exact_state(thorough); exact != carrier_state::unknown) {
    return {exact, true, idle};
  }
  if (!known) return {};
  return {idle ? carrier_state::in_call : carrier_state::computes, false, idle};
}

void monitor::relieve(worker& one, record& last, bool exact) noexcept {
  // A worker that knows of no thieves must be in a system call beyond doubt. Then it knows of them
  // by the time it does anything else. A worker that is out of sight shares at its next switch.
  if (!exact && !one.its_carrier().shares_for_good()) return;
  scheduler_.spare().begin_extra(one);
  // Still in the call, not in the worker's own sleep, and the worker's attend(), if it ran just
  // before the call, did not undo share().
  if ((!exact || one.exact_state(true) == carrier_state::in_call) && one.its_queue().is_shared() &&
      one.its_queue().tick() == last.tick && one.now_doing() == worker::activity::running &&
      !one.its_place().blocks()) {
    last.extra = scheduler_.spare().open_extra(one);
    if (last.extra != nullptr) ++open_;
  } else {
    scheduler_.spare().drop_extra();
  }
}

}  // namespace hilo::sched
