#include "runtime/sched/worker.hpp"

#include <cxxabi.h>
#include <pthread.h>

#include "runtime/base/check.hpp"
#include "runtime/context/guard_report.hpp"
#include "runtime/sched/decider.hpp"
#include "runtime/sched/watch/lock_warnings.hpp"
#include "runtime/thread/cpu.hpp"

namespace hilo::sched {
namespace {

constexpr std::uint64_t ids_at_a_time = 1024;

}  // namespace

worker::worker(scheduler& owner, unsigned index, place* at)
    : scheduler_(owner),
      index_(index),
      random_state_(index * 0x9e3779b9U + 0x7f4a7c15U),
      activity_(at != nullptr ? activity::running : activity::spare),
      place_(owner.wheel(0)),
      duty_(owner),
      carrier_(owner.carriers() > 1),
      queue_(owner.queues(), owner.carriers() > 1) {
  if (at != nullptr) place_.take(*this, *at);
  if (owner.measures_wakeups()) wakeups_ = std::make_unique<wakeup_times>();
  forks = &base_;
  if (leaves_are_watched()) queue_.prompt();
  HILO_CHECK(static_cast<void*>(static_cast<detail::carrier*>(this)) == this,
             "a worker does not start with its carrier");
}

// Tells the sanitizers of the carrier's own stack, and finds the data that belong to the kernel
// thread.
void worker::adopt_stack() noexcept {
  exceptions_ = reinterpret_cast<exception_globals*>(abi::__cxa_get_globals());
  thread_pointer_ = kernel::cpu::thread_pointer();
  carrier_.begin();
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
  if (place_.at() == nullptr) bed_.await_wake_up();  // the starter of this spare sends it somewhere
  while (true) {
    if (place_.at() == nullptr) {
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
        scheduler_.spare().overstay(*place_.at());
      }
      continue;
    }
    fiber* next = take();
    if (next == nullptr && fire_timers()) next = take();
    if (next == nullptr) queue_.keep_quiet(false);  // no fiber of its batch is left to run here
    if (next == nullptr && port_ != nullptr && port_->poll()) next = take();
    if (next == nullptr) next = search();
    if (next == nullptr) next = scheduler_.queues().lane(priority::idle).take(1);
    if (next != nullptr) {
      if (searching_) {
        searching_ = false;
        end_search();
      }
      queue_.keep_quiet(false);
      scheduler_.watching().running();
      run_on_base(*next);
      continue;
    }
    if (scheduler_.stopping()) break;
    sleep();
  }
  if (port_ != nullptr) port_->leave_carrier();
  carrier_.hide();
  carrier_.end();
  set_current_worker(nullptr);
}

// A worker that knows of no thieves shows the monitor what its thread does. If there are many
// spares, only the first have a descriptor for that.
void worker::show_to_monitor() noexcept {
  constexpr unsigned most_files = 8;
  if (scheduler_.carriers() == 1 && !carrier_.show(index_ < most_files)) share_for_good();
}

carrier_state worker::exact_state(bool thorough) noexcept {
  bool newly_lost = false;
  const carrier_state found = carrier_.exact_state(thorough, newly_lost);
  if (newly_lost) queue_.prompt();  // it shares for good at its next switch
  return found;
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
  if (to.woken_at != 0) {
    wakeups_->add(detail::monotonic_now() - std::exchange(to.woken_at, 0));
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

// A fiber that is still on a CPU is put back, unless it is the running fiber itself.
fiber* worker::fit_to_run(fiber* one) noexcept {
  if (one == nullptr || one == forks || one->context.off_cpu()) [[likely]]
    return one;
  run_later(*one);
  return nullptr;
}

// True: some fibers may be runnable now.
bool worker::fire_timers() noexcept {
  const auto fired = static_cast<std::uint32_t>(duty_.fire(timers(), queue_));
  if (trace_.on() && fired != 0) [[unlikely]]
    trace_.note(trace_what::fires, nullptr, fired);
  return fired != 0;
}

// Where the base runs a fiber: it waits, and then switches.
void worker::run_on_base(fiber& one) noexcept {
  look_at_trace();
  one.context.wait_off_cpu();
  if (trace_.on()) [[unlikely]]
    trace_.runs(one, true);
  switch_to(one);
}

fiber* worker::pick_after(trace_what how, const char* reason) noexcept {
  if (leaves_are_watched() && (how == trace_what::parks || how == trace_what::yields)) [[unlikely]]
    check_leave(running(), how == trace_what::parks ? reason : "yield");
  if (trace_.on()) [[unlikely]]
    trace_.leaves(how, reason);
  fiber* const next = pick();
  if (trace_.on() && next != nullptr) [[unlikely]]
    trace_.runs(*next, false);
  return next;
}

// From the next tick on, or until then at the latest, the worker leaves the quick paths.
void worker::turn_trace() noexcept {
  if (!trace_.turn()) return;
  if (trace_.on()) {
    ids_kept_ = std::exchange(ids_end_, ids_);
    queue_.prompt();
  } else {
    ids_end_ = ids_kept_;
  }
}

fiber* worker::pick() noexcept {
  if (!forks->empty()) [[unlikely]]
    offer_forks();
  return fit_to_run(take());
}

fiber* worker::take() noexcept {
  const std::uint32_t tick = queue_.next_tick();
  if (queue_.must_attend(tick)) [[unlikely]] {
    fiber* chosen = nullptr;
    if (attend(tick, chosen)) return chosen;
  }
  if (fiber* const one = queue_.take_own(tick)) return one;
  if (decider* const who = scheduler_.decides()) return who->choose(*this);
  return queue_.take_common(!searching_);
}

// While the worker traces, it has one number at a time. So each spawn comes here.
void worker::more_ids() noexcept {
  std::uint64_t& end = trace_.on() ? ids_kept_ : ids_end_;
  if (ids_ == end) {
    ids_ = scheduler_.next_ids(ids_at_a_time);
    end = ids_ + ids_at_a_time;
  }
  if (trace_.on()) ids_end_ = ids_ + 1;
}

std::uint32_t worker::random() noexcept {
  // Marsaglia's xorshift32: only spreads thieves over victims.
  random_state_ ^= random_state_ << 13;
  random_state_ ^= random_state_ >> 17;
  random_state_ ^= random_state_ << 5;
  return random_state_;
}

}  // namespace hilo::sched
