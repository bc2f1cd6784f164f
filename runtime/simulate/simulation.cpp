#include "runtime/simulate/simulation.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "runtime/base/check.hpp"
#include "runtime/base/code_address.hpp"
#include "runtime/base/error.hpp"
#include "runtime/base/sanitizers.hpp"

#if HILO_ASAN
#include <sanitizer/lsan_interface.h>
#endif

namespace hilo::simulated {
namespace {

using sched::fiber;
using sched::worker;

// Addresses for the stacks of a simulation: 16,384 fibers of the largest usual size. The address
// space has room for many simulations that failed. Their stacks stay.
constexpr std::size_t stack_reserve = std::size_t{16} << 30;
constexpr unsigned early_bits = 4;      // time passes early once in 16 decisions with a timer near
constexpr unsigned longest_change = 9;  // the rarest changes of priority: once in 2^9 points
constexpr std::uint32_t patience = 4096;   // points in a row while fibers of lower rank wait
constexpr std::int64_t yield_time = 1000;  // ns: a loop that yields until a time comes gets there

runtime_options options_of(const simulation_options& options) {
  runtime_options result;
  result.carriers = 1;
  result.stack_size = options.stack_size;
  result.stack_reserve = stack_reserve;
  return result;
}

// The stacks of a failed simulation stay. Other memory may refer to objects on them, and these
// objects own things that are never freed.
void abandon(std::unique_ptr<sched::scheduler> one) {
  static auto& all = *new std::vector<sched::scheduler*>;
  all.push_back(one.release());
}

std::string describe(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& known) {
    return known.what();
  } catch (...) {
    return "an exception that is no std::exception";
  }
}

}  // namespace

simulation::simulation(const simulation_options& options)
    : options_(options),
      scheduler_(std::make_unique<sched::scheduler>(options_of(options), this)),
      worker_(scheduler_->at(0)) {
  if (sched::current_worker() != nullptr) {
    base::fail(EDEADLK, "simulate",
               "the caller is a fiber; call it from a kernel thread that runs none");
  }
  // relaxed: for this thread only
  detail::simulations.fetch_add(1, std::memory_order_relaxed);
  worker_.begin_simulation();
}

simulation::~simulation() {
  if (scheduler_ != nullptr) worker_.end_simulation();
  detail::simulations.fetch_sub(1, std::memory_order_relaxed);  // as above
}

void simulation::restart(std::uint64_t seed) {
  seed_ = seed;
  chance_ = random_source(seed);
  by_priority_ = options_.order == schedule::priority ||
                 (options_.order == schedule::by_seed && (seed & 1) != 0);
  change_bits_ = 1 + static_cast<unsigned>(chance_.below(longest_change));
  now_ = sched::simulated_epoch;
  decisions_ = 0;
  trace_ = 0;
  lowest_ = std::uint64_t{1} << 63;
  alone_ = 0;
  records_.clear();
  ready_.clear();
  scheduler_->restart_clock(now_);
  worker_.restart_simulation(static_cast<std::uint32_t>(chance_.next()));
}

simulation_report simulation::run(std::uint64_t seed, const std::function<void()>& f,
                                  const void* site) {
  restart(seed);
  std::exception_ptr error;
  spawn(spawn_options{.name = "main"}, [&] {
    worker_.running().spawned_at = site;
    try {
      f();
    } catch (...) {
      error = std::current_exception();
    }
  }).detach();
  worker_.run_simulation();
  if (endless()) {
    fail("no end after " + std::to_string(decisions_) +
             " decisions (simulation_options::most_decisions)",
         nullptr);
  }
  if (!scheduler_->all_ended()) {
    fail(error == nullptr ? "deadlock: nobody can run, and no timer is set"
                          : "deadlock after an exception: " + describe(error),
         error);
  }
  if (error != nullptr) fail(describe(error), error);
  return report();
}

simulation_report simulation::report() const noexcept {
  return {.seed = seed_,
          .trace = trace_,
          .decisions = decisions_,
          .fibers = records_.size(),
          .elapsed = std::chrono::nanoseconds(now_ - sched::simulated_epoch)};
}

std::vector<waiting_fiber> simulation::waiting() const {
  std::vector<waiting_fiber> result;
  for (const record& each : records_) {
    const fiber& one = *each.who;
    // Its control block may belong to another fiber by now, and returned() cleared parked_on.
    if (each.at == state::made || one.id != static_cast<std::uint64_t>(&each - records_.data()) + 1)
      continue;
    if (each.at == state::waiting && one.parked_on == nullptr) continue;
    char site[600];
    base::format_code_address(static_cast<const char*>(one.spawned_at) - 1, site, sizeof site);
    std::string reason = each.at == state::waiting ? one.parked_on : "its turn";
    if (one.exceptions.uncaught != 0) reason += ", while an exception unwinds it";
    result.push_back({.id = {one.id}, .name = one.name, .waits_for = reason, .spawned_at = site});
  }
  return result;
}

void simulation::fail(const std::string& why, std::exception_ptr cause) {
  std::vector<waiting_fiber> left;
  std::string what = "simulation with seed " + std::to_string(seed_) + ", decision " +
                     std::to_string(decisions_) + ": " + why;
  if (!scheduler_->all_ended()) {
    left = waiting();
    for (const waiting_fiber& one : left) {
      what += "\n  fiber #" + std::to_string(one.id.value);
      if (!one.name.empty()) what += " \"" + one.name + '"';
      what += " waits for " + one.waits_for + "; spawned at " + one.spawned_at;
    }
#if HILO_ASAN
    for (const record& each : records_) {
      const std::size_t size = sched::stack_bytes(*each.who);
      __lsan_register_root_region(each.who->top - size, size);
    }
#endif
    worker_.end_simulation();
    abandon(std::move(scheduler_));
  }
  what += "\n  HILO_SEED=" + std::to_string(seed_) + " replays it";
  throw simulation_failure(what, report(), std::move(cause), std::move(left));
}

// --- Decisions ----------------------------------------------------------------------------------

void simulation::created(fiber& one) {
  HILO_CHECK(one.id == records_.size() + 1, "a simulation does not know its fibers");
  records_.push_back({.who = &one, .rank = lowest_ + 1 + (chance_.next() >> 2)});
  ready_.reserve(records_.capacity());
  one.eager = 0;  // it was set in the last life on this stack
}

void simulation::ready(fiber& one) noexcept {
  worker* const here = sched::current_worker();
  HILO_CHECK(here == &worker_,
             "a fiber of a simulation is woken from outside, by another thread or runtime; let "
             "nothing but its own fibers and timers wake it");
  record& its = record_of(one);
  const bool own = &here->running() == &one;
  if (its.at == state::ready || its.at == state::running) {
    its.woken = true;
  } else {
    if (own) {  // it yields, and has chosen its successor
      now_ += yield_time;
      lower(its);
    }
    enqueue(its);
  }
  if (!own) reached_point(*here);
}

void simulation::reached_point(worker& here) noexcept {
  fiber& self = here.running();
  if (paused_ != 0 || &self == &here.base()) return;
  // From here on the fiber may have been joined, and its stack given back.
  if (self.join.load(std::memory_order_relaxed) == sched::join_word::ended) return;
  record& its = record_of(self);
  if (its.at != state::running) return;  // it is already choosing
  if (ready_.empty() && here.timers().size() == 0 && self.empty() && !endless()) {  // no forks
    ++decisions_;
    return;
  }
  if (by_priority_ && (chance_.one_in_power(change_bits_) || ++alone_ > patience)) {
    alone_ = 0;
    lower(its);
  }
  enqueue(its);
  fiber* const next = here.pick();
  if (next != &self) here.switch_to(next != nullptr ? *next : here.base());
}

fiber* simulation::choose(worker& here) noexcept {
  ++paused_;
  fiber& leaving = here.running();
  if (&leaving != &here.base()) {
    record& its = record_of(leaving);
    if (its.at == state::running) {
      its.at = state::waiting;
      if (std::exchange(its.woken, false)) enqueue(its);
    }
  }
  pass_time();
  fiber* const next = endless() ? nullptr : dequeue();
  --paused_;
  if (next == nullptr) return nullptr;
  record& its = record_of(*next);
  its.at = state::running;
  if (next != &leaving) alone_ = 0;
  ++decisions_;
  note(next->id);
  note(static_cast<std::uint64_t>(now_));
  return next;
}

void simulation::enqueue(record& one) noexcept {
  one.at = state::ready;
  ready_.push_back(static_cast<std::size_t>(&one - records_.data()));
  if (!by_priority_) return;
  std::push_heap(ready_.begin(), ready_.end(),
                 [this](std::size_t a, std::size_t b) { return lower_rank(a, b); });
}

fiber* simulation::dequeue() noexcept {
  if (ready_.empty()) return nullptr;
  if (by_priority_) {
    std::pop_heap(ready_.begin(), ready_.end(),
                  [this](std::size_t a, std::size_t b) { return lower_rank(a, b); });
  } else {
    std::swap(ready_[chance_.below(ready_.size())], ready_.back());
  }
  fiber* const one = records_[ready_.back()].who;
  ready_.pop_back();
  return one;
}

void simulation::pass_time() noexcept {
  sched::timer_wheel& timers = worker_.timers();
  const auto leap = [&] {
    now_ = std::max(now_, timers.next_ns());
    timers.advance(now_);
  };
  // A timer that is due at the end of the number line never fires.
  const auto left = [&] { return timers.size() != 0 && timers.next_ns() != timers.never; };
  if (!ready_.empty() && left() && timers.next_ns() - now_ <= options_.delay.count() &&
      chance_.one_in_power(early_bits)) {
    leap();
  }
  while (ready_.empty() && left()) leap();
}

void simulation::returned(fiber& one) noexcept {
  one.parked_on = nullptr;  // a wait from here on is in a destructor
}

}  // namespace hilo::simulated
