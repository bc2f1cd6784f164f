#include "runtime/sched/worker.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <mutex>
#include <utility>

#include <cxxabi.h>
#include <pthread.h>
#include <unistd.h>

#include "hilo/fiber.hpp"

#include "runtime/base/check.hpp"
#include "runtime/context/guard_report.hpp"
#include "runtime/thread/cpu.hpp"

namespace hilo::sched {
namespace {

using std::chrono::microseconds;
using std::chrono::nanoseconds;

// How a watcher naps.
constexpr nanoseconds first_nap = microseconds(20);
constexpr nanoseconds longest_nap = microseconds(200);
// Where many timers are armed, a sleeper wakes for them at most this often, and fires several
// together: a wake-up costs as much as about ten timers. Where there are few timers, each is on
// time.
constexpr nanoseconds timer_spacing = microseconds(300);
constexpr std::uint32_t few_timers = 32;  // guess
// A batch of timers is offered to sleeping carriers only if the last batch took longer than this.
// To wake a carrier and let it search would take about as long.
constexpr nanoseconds quick_batch = microseconds(100);
constexpr std::size_t most_injected = 64;  // fibers taken from the injector at a time
// The part of these that may enter a ring without room: each of them moves another out. Larger
// numbers are a tenth (16) or a third (32) slower, for 1,000 fibers that yield on two carriers.
// From 1 on, all fibers have as many turns.
constexpr std::size_t most_exchanged = 8;
constexpr std::uint64_t ids_at_a_time = 1024;

sys::futex_clock::time_point to_time(std::int64_t ns) {
  return sys::futex_clock::time_point(nanoseconds(ns));
}

}  // namespace

worker::worker(scheduler& owner, unsigned index, place* at)
    : scheduler_(owner),
      shared_(owner.carriers() > 1),
      index_(index),
      random_state_(index * 0x9e3779b9U + 0x7f4a7c15U),
      activity_(at != nullptr ? activity::running : activity::spare),
      shares_for_good_(owner.carriers() > 1),
      apart_(owner.wheel(0)) {
  if (at != nullptr) hold(*at);
  forks = &base_;
  HILO_CHECK(static_cast<void*>(static_cast<detail::carrier*>(this)) == this,
             "a worker does not start with its carrier");
}

// Tells the sanitizers of the carrier's own stack, and finds the data that belong to the kernel
// thread.
void worker::adopt_stack() noexcept {
  exceptions_ = reinterpret_cast<exception_globals*>(abi::__cxa_get_globals());
  thread_pointer_ = kernel::cpu::thread_pointer();
  tid_.store(static_cast<int>(::gettid()), std::memory_order_relaxed);
  if constexpr (context::sanitizing) {
    pthread_attr_t attributes;
    void* low = nullptr;
    std::size_t bytes = 0;
    if (::pthread_getattr_np(::pthread_self(), &attributes) == 0) {
      ::pthread_attr_getstack(&attributes, &low, &bytes);
      ::pthread_attr_destroy(&attributes);
    }
    base_.context.sanitizer.adopt(low, bytes);
  }
}

void worker::run() {
  const context::alternate_stack signals;
  set_current_worker(this);
  adopt_stack();
  show_to_monitor();
  if (place_ == nullptr) await_wake_up();  // the starter of this spare sends it somewhere
  while (true) {
    if (place_ == nullptr) {
      if (!find_place()) break;
      continue;
    }
    if (retired_) {
      if (!carry_pinned()) break;
      continue;
    }
    if (called_back()) {
      if (pinned_ == 0) {
        leave_place();
      } else {
        scheduler_.spare().overstay(*place_);
      }
      continue;
    }
    fiber* next = take();
    if (next == nullptr && fire_timers()) next = take();
    if (next == nullptr) quiet_ = false;  // no fiber of its batch is left to run here
    if (next == nullptr && port_ != nullptr && port_->poll()) next = take();
    if (next == nullptr) next = search();
    if (next == nullptr) next = scheduler_.lane(priority::idle).take(1);
    if (next != nullptr) {
      if (searching_) {
        searching_ = false;
        end_search();
      }
      quiet_ = false;
      scheduler_.watching().running();
      next->context.wait_off_cpu();
      switch_to(*next);
      continue;
    }
    if (scheduler_.stopping()) break;
    sleep();
  }
  if (port_ != nullptr) port_->leave_carrier();
  hide_from_monitor();
  set_current_worker(nullptr);
}

// A worker that knows of no thieves shows the monitor what its thread does. If there are many
// spares, only the first have a descriptor for that.
void worker::show_to_monitor() noexcept {
  constexpr unsigned most_files = 8;
  if (scheduler_.carriers() > 1) return;
  sys::own_descriptor file;
  if (index_ < most_files) file = open_call_file();
  if (read_call_file(file) == carrier_state::unknown) return share_for_good();
  const std::scoped_lock guard(sight_lock_);
  call_file_ = std::move(file);
  out_of_sight_.store(false, std::memory_order_relaxed);
  shares_for_good_.store(false, std::memory_order_relaxed);
}

void worker::hide_from_monitor() noexcept {
  const std::scoped_lock guard(sight_lock_);
  call_file_ = sys::own_descriptor();
}

carrier_state worker::exact_state(bool thorough) noexcept {
  {
    const std::scoped_lock guard(sight_lock_);
    if (call_file_.is_open()) {
      const carrier_state found = read_call_file(call_file_);
      if (found != carrier_state::unknown) return found;
      call_file_ = sys::own_descriptor();
      out_of_sight_.store(true, std::memory_order_relaxed);
      prompt();
    }
  }
  return thorough ? look_at_thread(carrier_id()) : carrier_state::unknown;
}

void worker::begin_simulation() noexcept {
  set_current_worker(this);
  adopt_stack();
}

void worker::restart_simulation(std::uint32_t seed) noexcept {
  ids_ = 1;
  ids_end_ = ~std::uint64_t{0};
  random_state_ = seed | 1;
}

void worker::run_simulation() noexcept {
  while (fiber* const next = take()) switch_to(*next);
}

void worker::end_simulation() noexcept {
  set_current_worker(nullptr);
}

// The switch between two fibers of which at least one keeps more than registers. If a fiber has a
// thread block, its exception globals are in that block. So is its carrier's worker, where the
// accessor finds it.
std::uint32_t worker::switch_keeping(fiber& to, bool dying) noexcept {
  fiber& from = running();
  if (((from.keeps | to.keeps) & keeps::fp_control) != 0) {
    const context::fp_control now = context::read_fp_control();
    const bool has_own = (from.keeps & keeps::fp_control) != 0;
    (has_own ? from.fp : fp_) = now;
    context::write_fp_control((to.keeps & keeps::fp_control) != 0 ? to.fp : fp_);
  }
  if (from.own == nullptr) from.exceptions = *exceptions_;
  if (to.own == nullptr) *exceptions_ = to.exceptions;
  to.carrier = this;
  to.started = true;
  forks = &to;
  if (from.own == nullptr && to.own == nullptr) {
    return context::switch_context(from.context, to.context, dying);
  }
  void* thread_pointer = thread_pointer_;
  if (to.own != nullptr) {
    thread_pointer = to.own->thread_pointer();
    set_current_worker_in(thread_pointer, this);
  }
  return context::switch_context_and_tls(from.context, to.context, thread_pointer);
}

void worker::surplus(fiber& one) noexcept {
  const bool started = one.started;
  if (!(started ? ready_ : spawned_).push(&one)) [[unlikely]]
    return scheduler_.inject(one);
  if (!shared() || quiet_) return;
  started ? scheduler_.idle().behind_published() : scheduler_.idle().published();
}

// A fiber that is still on a CPU is put back, unless it is the running fiber itself.
inline fiber* worker::fit_to_run(fiber* one) noexcept {
  if (one == nullptr || one == forks || one->context.off_cpu()) [[likely]]
    return one;
  run_later(*one);
  return nullptr;
}

fiber* worker::pick() noexcept {
  if (!forks->empty()) [[unlikely]]
    offer_forks();
  return fit_to_run(take());
}

fiber* worker::take_from(std::uint32_t tick) noexcept {
  if (must_attend(tick)) [[unlikely]] {
    fiber* chosen = nullptr;
    if (attend(tick, chosen)) return chosen;
  }
  fiber* const one = empty_slot();
  return one != nullptr ? turn_of_slot(*one, tick) : take_queued(tick);
}

// The fiber that was in the slot, unless others have waited long enough.
fiber* worker::turn_of_slot(fiber& one, std::uint32_t tick) noexcept {
  if (++streak_ <= longest_streak) return &one;
  if (ready_.empty() && spawned_.empty()) {
    streak_ = 0;
    return &one;
  }
  run_later(one);
  return take_queued(tick);
}

fiber* worker::take_queued(std::uint32_t tick) noexcept {
  streak_ = 0;
  work_ring& first = (tick & 1) != 0 ? spawned_ : ready_;
  if (&first == &spawned_) {
    if (fiber* one = spawned_.take_newest(shared())) return one;
    if (fiber* one = ready_.take_oldest(shared())) return one;
  } else {
    if (fiber* one = ready_.take_oldest(shared())) return one;
    if (fiber* one = spawned_.take_newest(shared())) return one;
  }
  return scheduler_.injected() == 0 ? take_special() : take_injected();
}

// If more fibers can run than a ring holds, the others wait in the injector. The fibers in the ring
// would keep their places, because each that yields takes the room that it left. So the ring's
// newest go behind the fibers that waited.
fiber* worker::take_injected() noexcept {
  const std::size_t share = scheduler_.injected() / scheduler_.carriers() + 1;
  const std::size_t room = ready_.room() + 1;
  const std::size_t wanted = std::min({share, most_injected, std::max(room, most_exchanged)});
  fiber* const first = scheduler_.injected_fibers().take(wanted);
  if (first == nullptr) return nullptr;
  fiber* behind = nullptr;
  fiber* last_behind = nullptr;
  std::size_t count = 0;
  for (std::size_t i = room; i < wanted; ++i) {
    fiber* const newest = ready_.take_newest(shared());
    if (newest == nullptr) break;
    newest->next_injected = behind;
    behind = newest;
    if (count++ == 0) last_behind = newest;
  }
  for (fiber* one = first->next_injected; one != nullptr;) {
    fiber* const after = one->next_injected;  // a pushed fiber is no longer ours
    run_later(*one);
    one = after;
  }
  if (behind != nullptr) scheduler_.injected_fibers().push(*behind, *last_behind, count);  // (P1)
  // A thief that looked while the fibers moved from injector to ring saw them in neither, and may
  // sleep. A searcher publishes when it ends its search.
  if (shared() && !searching_ && (share > 1 || behind != nullptr)) scheduler_.idle().published();
  return first;
}

// Sleeps until woken or until a timer is due. If fibers wait behind the running one of another
// worker, one sleeper becomes a watcher: it naps, and takes some of them when they wait for longer
// than a theft costs.
void worker::sleep() noexcept {
  const std::int64_t now = detail::monotonic_now();
  quick_batches_ = std::exchange(batch_runs_, false) && now - fired_at_ <= quick_batch.count();
  std::int64_t tidy_at = tidy(now);
  expect_wake_up();  // no thread wakes us before enter() publishes us
  activity_.store(activity::asleep, std::memory_order_relaxed);
  idle_workers& idle = scheduler_.idle();
  idle.enter(*this, std::exchange(searching_, false));  // (Q1)
  ask_for_forks();
  scheduler_.idle_reached();
  bool stay = !work_somewhere() && !scheduler_.stopping();  // (Q3)
  if (port_ != nullptr && port_->has_mail()) stay = false;
  if (called_back()) stay = false;  // the caller did not find us among the sleepers yet
  nanoseconds nap = first_nap;
  worker* slow = nullptr;
  sight then;
  while (stay && woken_.load(std::memory_order_acquire) != awake) {  // (K2)
    worker* const other = find_behind();  // (Q3), after (Q1) or after the last end_watch()
    const bool watching = other != nullptr && idle.begin_watch();
    const std::int64_t start = watching ? detail::monotonic_now() : 0;
    std::int64_t until = std::min(next_alarm(), tidy_at);
    if (watching) {
      then = other->look();
      until = std::min(until, start + nap.count());
    }
    const bool ready = doze(until, choose_bed());
    // The bit is cleared before we look at others again: a fiber that comes meanwhile is either
    // seen in the next round or wakes a sleeper.
    if (watching) idle.end_watch();
    if (ready) break;
    const std::int64_t time = detail::monotonic_now();
    if (next_alarm() <= time) break;
    if (tidy_at <= time) {
      drowsy_ = true;
      break;
    }
    if (watching && other->overdue(then, time - start)) {
      slow = other;
      break;
    }
    nap = std::min(nap * 2, longest_nap);
  }
  const bool left = idle.leave(*this);
  activity_.store(activity::running, std::memory_order_relaxed);
  searching_ = true;
  if (left) {
    if (slow == nullptr) return;
    if (fiber* one = slow->steal_behind(*this, then)) run_later(*one);
    return;
  }
  // A publisher took us out of the sleepers: its store comes within a few instructions.
  await_wake_up();
}

// Called before a sleep: gives back stacks that were not needed. Returns the latest time at which
// the sleep must end.
std::int64_t worker::tidy(std::int64_t now) noexcept {
  if (std::exchange(drowsy_, false)) {
    for (auto& cache : caches_) cache.spill_all();
  }
  const bool more = scheduler_.tidy_stacks(now);
  if (more) return now;
  for (const auto& cache : caches_) {
    if (!cache.empty()) return now + scheduler::tidy_period;
  }
  return scheduler_.spare_stacks() ? now + scheduler::tidy_period : timer_wheel::never;
}

// The port to sleep in: our own for calls that only we can end; otherwise the common port, if no
// other worker waits there; null: the futex.
port* worker::choose_bed() const noexcept {
  if (port_ != nullptr && port_->may_wait()) return port_.get();
  port* const common = common_port();
  return common != nullptr && common->may_wait() ? common : nullptr;
}

port* worker::common_port() const noexcept {
  driver* const io = scheduler_.io_if_made();
  return io != nullptr ? io->common_port() : nullptr;
}

// Sleeps once, for sleep(). True: the port made fibers runnable.
bool worker::doze(std::int64_t until, port* bed) noexcept {
  if (bed != nullptr) {
    bed_.store(bed, std::memory_order_relaxed);
    std::uint32_t expected = asleep;
    if (!woken_.compare_exchange_strong(expected, in_port, std::memory_order_release,
                                        std::memory_order_relaxed)) {
      bed->stay_up();
      return false;
    }
    const bool ready = bed->wait(until);
    expected = in_port;
    (void)woken_.compare_exchange_strong(expected, asleep, std::memory_order_relaxed,
                                         std::memory_order_relaxed);  // (K2) is sleep()'s
    return ready;
  }
  if (until == timer_wheel::never) {
    sys::futex_wait(woken_, asleep);
  } else {
    sys::futex_wait_until(woken_, asleep, to_time(until));
  }
  return false;
}

void worker::wake_up() noexcept {
  if (woken_.exchange(awake, std::memory_order_acq_rel) == in_port) {  // (K1)
    bed_.load(std::memory_order_relaxed)->wake();
  } else {
    sys::futex_wake_one(&woken_);
  }
}

void worker::summon() noexcept {
  prompt();
  if (current_worker() != this) scheduler_.idle().wake(*this);
}

// Called on the base: fires the timers that are due, also those of sleeping carriers. The woken
// fibers arm their next timers here. So if there is little to do, one carrier wakes for all. False:
// no fiber was woken.
bool worker::fire_timers() noexcept {
  const std::int64_t next = timers().next_ns();
  if (next == timer_wheel::never) return false;
  const std::int64_t now = detail::monotonic_now();
  if (next > now) return false;
  fired_at_ = now;
  scheduler_.set_fired_at(now);
  up_for_timers_ = true;
  quiet_ = quick_batches_ && !batch_runs_;
  batch_runs_ = true;
  std::size_t woken = timers().advance(now);
  for (std::size_t i = 0; shared() && i < scheduler_.carriers(); ++i) {
    timer_wheel& wheel = scheduler_.wheel(i);
    if (&wheel == &timers() || wheel.next_ns() > now) continue;
    const worker* const holder =
        scheduler_.base_place(i).holder.load(std::memory_order_acquire);  // (U)
    if (holder->now_doing() == activity::asleep) woken += wheel.advance(now);
  }
  return woken != 0;
}

// When a sleep must end for a timer. Another worker that fires our timers with its own comes first,
// and so it gets them all: our next timers are armed there.
std::int64_t worker::next_alarm() noexcept {
  const std::int64_t next = timers().next_ns();
  if (timers().size() <= few_timers) return next;
  const std::int64_t last = scheduler_.fired_at();
  const std::int64_t spacing = timer_spacing.count();
  return std::max(next, last + (last == fired_at_ ? spacing : 2 * spacing));
}

void worker::await_wake_up() noexcept {
  while (woken_.load(std::memory_order_acquire) != awake) sys::futex_wait(woken_, asleep);  // (K2)
}

bool worker::await_wake_up_until(std::int64_t when) noexcept {
  while (woken_.load(std::memory_order_acquire) != awake) {  // (K2)
    if (sys::futex_wait_until(woken_, asleep, to_time(when)) == -ETIMEDOUT) return false;
  }
  return true;
}

void worker::more_ids() noexcept {
  ids_ = scheduler_.next_ids(ids_at_a_time);
  ids_end_ = ids_ + ids_at_a_time;
}

std::uint32_t worker::random() noexcept {
  // Marsaglia's xorshift32: only spreads thieves over victims.
  random_state_ ^= random_state_ << 13;
  random_state_ ^= random_state_ >> 17;
  random_state_ ^= random_state_ << 5;
  return random_state_;
}

}  // namespace hilo::sched
