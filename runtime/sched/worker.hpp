// A worker: the part of the scheduler that one carrier runs. It holds together
//
//   run_queue        which fiber runs next
//   held_place       the place of the worker, and how it passes to another worker
//   bed              where the carrier sleeps, and how it is woken
//   timer_duty       when it fires timers, and for whom
//   watched_carrier  its kernel thread, as the monitor sees it
//   tracer           what it records while the runtime is traced
//
// and has the loop (worker.cpp), the search for work (steal.cpp), the sleep (sleep.cpp), what is
// looked at once in a while (attend.cpp), and how a carrier changes what it carries (blocking.cpp,
// retire.cpp). These parts do not know each other, except that timer_duty fills a run_queue.
//
// A switch goes from fiber to fiber; the carrier's own stack (`base_`) is used only to search and
// to sleep.
//
// Leaving a stack. A waiting fiber is published (in a wait list) before it has left its stack. So
// its waker may put it into a queue, and another carrier may take it from there, while the fiber is
// still leaving. `context.on_cpu` shows this. A carrier that takes a fiber that is on a CPU must
// not wait for it while standing on a fiber's stack itself: two carriers that take each other's
// fibers would wait forever. So a fiber that finds its successor still on a CPU puts it back and
// switches to base_. Waiting is safe there, because no carrier waits for a base. A fiber may also
// find itself in its own queue, if it was woken before it parked; then there is nothing to switch.
//   Rejected: unlocking after the switch (as Go's gopark), which needs a call on the new stack at
//   every switch; and a state word with exchanges by parker and waker (as tokio), 11 ns a park.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "runtime/sched/blocking/held_place.hpp"
#include "runtime/sched/current.hpp"
#include "runtime/sched/driver.hpp"
#include "runtime/sched/fibers/fiber.hpp"
#include "runtime/sched/idling/bed.hpp"
#include "runtime/sched/queues/run_queue.hpp"
#include "runtime/sched/scheduler.hpp"
#include "runtime/sched/time/timer_duty.hpp"
#include "runtime/sched/time/timer_wheel.hpp"
#include "runtime/sched/trace/counter.hpp"
#include "runtime/sched/trace/tracer.hpp"
#include "runtime/sched/trace/wakeup_times.hpp"
#include "runtime/sched/watch/watched_carrier.hpp"

namespace hilo::sched {

class worker : public detail::carrier {
 public:
  // A worker without a place is a spare.
  worker(scheduler& owner, unsigned index, place* at);

  // The carrier's body: runs fibers until the scheduler stops, or no longer needs this carrier.
  void run();

  // For a simulation. Its carrier is the calling thread, from the first of these calls to the last.
  // restart_simulation() begins a new life, with numbers and chances that depend on `seed` alone.
  // run_simulation() runs fibers while one can run.
  void begin_simulation() noexcept;
  void restart_simulation(std::uint32_t seed) noexcept;
  void run_simulation() noexcept;
  void end_simulation() noexcept;

  // --- its parts ---

  run_queue& its_queue() noexcept { return queue_; }
  const run_queue& its_queue() const noexcept { return queue_; }
  held_place& its_place() noexcept { return place_; }
  const held_place& its_place() const noexcept { return place_; }
  bed& its_bed() noexcept { return bed_; }
  watched_carrier& its_carrier() noexcept { return carrier_; }
  const watched_carrier& its_carrier() const noexcept { return carrier_; }

  // --- for the fiber that runs here, on its own stack ---

  fiber& running() noexcept { return static_cast<fiber&>(*forks); }
  scheduler& home() noexcept { return scheduler_; }
  unsigned index() const noexcept { return index_; }

  // The fiber to run next. Null when there is none here, or it is still on a CPU: then the base is
  // next. May be the running fiber itself.
  fiber* pick() noexcept;

  // pick() for the running fiber, which leaves its carrier in the way `how`, and may go on at once.
  // It is recorded.
  fiber* pick_after(trace_what how, const char* reason = nullptr) noexcept;

  // The same for the quick cases. Null: ask pick(). It is in line and calls nothing, so a caller
  // that ends in the switch keeps nothing on the stack.
  [[gnu::always_inline]] fiber* pick_quickly(run_queue::leaving why) noexcept {
    if (!forks->empty()) [[unlikely]]
      return nullptr;
    return queue_.take_quickly(forks, why);
  }

  // Leaves the running fiber for another, or for the base. Returns the value that its waker passed.
  [[gnu::always_inline]] std::uint32_t switch_to(fiber& to) noexcept {
    fiber& from = running();
    if ((from.keeps | to.keeps) != 0) [[unlikely]]
      return switch_keeping(to, false);
    from.exceptions = *exceptions_;
    begin_turn(to);
    return context::switch_context(from.context, to.context);
  }
  // The same for a fiber that has ended. Must be its last call (context::leave_context).
  [[gnu::always_inline]] void leave_for(fiber& to) noexcept {
    fiber& from = running();
    if ((from.keeps | to.keeps) != 0) [[unlikely]] {
      (void)switch_keeping(to, true);
    } else {
      begin_turn(to);
      context::leave_context(from.context, to.context);
    }
  }
  fiber& base() noexcept { return base_; }

  // For the owner, where it need not be quick: begins or ends to trace if that is wanted.
  void look_at_trace() noexcept {
    if (trace_.must_turn()) [[unlikely]]
      turn_trace();
  }
  tracer& trace() noexcept { return trace_; }
  const tracer& its_trace() const noexcept { return trace_; }
  // After a fiber left, this fiber goes on at once, or begins.
  void go_on(fiber& one) noexcept {
    if (trace_.on()) [[unlikely]]
      trace_.runs(one, false);
  }

  // The carrier's own, for a fiber that gives up its thread block.
  void* thread_pointer() const noexcept { return thread_pointer_; }
  void forget_exceptions() noexcept { *exceptions_ = {}; }

  // Makes a fiber runnable next.
  void run_next(fiber& one) noexcept {
    if (one.special) [[unlikely]]
      return scheduler_.run_special(one, turn::next);
    queue_.put_next(one);
  }
  // Makes a fiber runnable behind the others.
  void run_later(fiber& one) noexcept {
    if (one.special) [[unlikely]]
      return scheduler_.run_special(one, turn::last);
    queue_.put_last(one);
  }

  // Begins the turn of a fiber that the running fiber must wake as it ends or parks. False: call
  // run_next() and pick().
  bool pass_turn_to(const fiber& one) noexcept {
    return one.home == &scheduler_ && !one.special && forks->empty() && queue_.pass_turn_to(one);
  }

  // Makes fibers of all forks of the running fiber, because it is about to park (detail/fork.hpp).
  [[gnu::cold, gnu::noinline]] void offer_forks() noexcept;

  std::uint32_t random() noexcept;

  context::stack_cache& cache(unsigned size_class) noexcept { return caches_[size_class]; }
  timer_wheel& timers() noexcept { return place_.timers(); }

  // Fibers that may run on no other worker, and the owner's count of those alive.
  void pin(fiber& one) noexcept;
  void unpin(fiber& one) noexcept;
  bool has_pinned() const noexcept { return pinned_ != 0; }

  // For retire.cpp, whose head says how. The running fiber keeps this carrier to itself and to the
  // other fibers that are pinned here. `successor`, a spare that was taken, gets the place.
  void pin_for_life(fiber& one) noexcept;
  void retire(worker& successor) noexcept;
  bool retired() const noexcept { return retired_; }

  // This worker's part of the driver; null until a fiber that ran here did I/O.
  port* io() const noexcept { return port_.get(); }
  void open_io(std::unique_ptr<port> made) noexcept { port_ = std::move(made); }
  bool has_io() const noexcept { return port_ != nullptr && port_->bound(); }

  // Whether the base must run now, although fibers wait: this worker must leave its place, or say
  // that it cannot.
  bool called_back() const noexcept {
    return place_.closes() && (pinned_ == 0 || !place_.at()->overstayed);
  }
  // After a blocking call that a spare took the place of: the base makes this fiber runnable.
  void return_later(fiber& one) noexcept { returning_ = &one; }

  // Counts of lives begun, lives ended, and stacks given back on this worker. Plain counters for
  // the owner; scheduler::all_ended() sums them: (N) release, pairs with its acquire.
  struct tally {
    std::atomic<std::uint64_t> value{0};
    [[gnu::always_inline]] void bump() noexcept {
      value.store(value.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    }
    std::uint64_t read() const noexcept { return value.load(std::memory_order_acquire); }
  };
  tally spawned_count, ended_count, returned_count;

  // For hilo/metrics.hpp. Calls handed to the driver, and those that are over; counted where the
  // fiber runs, or the port.
  counter io_submitted, io_completed;
  // The same for a trace. `whose`: null if it is not known. `call`: an io::request::call.
  template <class Call = std::uint8_t>
  void trace_io(trace_what what, const fiber* whose, int fd, const Call* call = nullptr) noexcept {
    if (!trace_.on()) [[likely]]
      return;
    trace_.note(what, whose, static_cast<std::uint32_t>(fd), 0,
                call != nullptr ? static_cast<std::uint8_t>(*call) : std::uint8_t{0});
  }
  const idle_clock& idle_time() const noexcept { return idle_time_; }
  // Null, except if runtime_options::measure_wakeups is set.
  const wakeup_times* wakeups() const noexcept { return wakeups_.get(); }

  // Fiber ids; take_id() only where has_ids().
  bool has_ids() const noexcept { return ids_ != ids_end_; }
  std::uint64_t take_id() noexcept { return ids_++; }
  std::uint64_t next_id() noexcept {
    if (!has_ids()) [[unlikely]]
      more_ids();
    return take_id();
  }

  // --- for other workers ---

  // Mail waits in its port: makes this worker look at its next switch, or wakes it.
  void summon() noexcept;
  // Takes a pinned fiber that is runnable.
  void deliver(fiber& one) noexcept;
  // Sends a spare that was taken on its errand, or back to sleep.
  void send_on(const held_place::errand& what) noexcept {
    place_.next_errand = what;
    bed_.wake_up();  // (K1) publishes it
  }

  // For the monitor. relaxed: the monitor looks again.
  enum class activity : std::uint8_t { running, asleep, spare, retired };
  activity now_doing() const noexcept { return activity_.load(std::memory_order_relaxed); }
  // What its kernel thread does, exactly; see watched_carrier::exact_state().
  carrier_state exact_state(bool thorough) noexcept;

 private:
  [[gnu::always_inline]] void begin_turn(fiber& to) noexcept {
    *exceptions_ = to.exceptions;
    to.carrier = this;
    to.started = true;
    forks = &to;
  }

  static constexpr unsigned size_classes = scheduler::size_classes;

  std::uint32_t switch_keeping(fiber& to, bool dying) noexcept;
  void adopt_stack() noexcept;
  void show_to_monitor() noexcept;
  void turn_trace() noexcept;
  bool fire_timers() noexcept;
  void run_on_base(fiber& one) noexcept;
  // Called by the owner, between two operations on its ring.
  void share_for_good() noexcept {
    carrier_.share_for_good();
    queue_.share();
  }
  void more_ids() noexcept;

  fiber* take() noexcept;
  fiber* fit_to_run(fiber* one) noexcept;
  [[gnu::cold]] void trace_poll() noexcept;
  [[gnu::cold]] bool attend(std::uint32_t tick, fiber*& chosen) noexcept;
  bool attend_to_pinned(std::uint32_t tick, fiber*& chosen) noexcept;

  // steal.cpp
  fiber* search() noexcept;
  void end_search() noexcept;
  void ask_for_forks() noexcept;
  fiber* stolen_from(const worker& victim, fiber& one) noexcept;
  worker* find_behind() noexcept;
  bool work_somewhere(const worker* except = nullptr) const noexcept;

  // sleep.cpp
  void sleep() noexcept;
  port* common_port() const noexcept;
  port* choose_port() const noexcept;
  std::int64_t tidy(std::int64_t now) noexcept;
  void spill_caches() noexcept;

  // blocking.cpp and retire.cpp
  bool find_place() noexcept;
  bool stand_in_for(worker& held) noexcept;
  void leave_place() noexcept;
  bool carry_pinned() noexcept;
  void sleep_aside() noexcept;
  void end_retirement() noexcept;

  // Used by the owner: with the counts above, what every spawn and switch touches.
  exception_globals* exceptions_ = nullptr;  // the carrier thread's own
  scheduler& scheduler_;
  std::uint64_t ids_ = 0, ids_end_ = 0;  // fiber ids left of its share; while it traces, none
  void* thread_pointer_ = nullptr;       // the carrier thread's own
  context::fp_control fp_;               // likewise, while a fiber with its own one runs
  const unsigned index_;
  std::uint32_t pinned_ = 0;
  std::uint32_t random_state_;
  std::uint32_t woken_at_ = ~std::uint32_t{0};  // tick of the last wake-up by a publisher
  bool searching_ = false;
  bool drowsy_ = false;   // slept for a whole tidy period
  bool retired_ = false;  // carries pinned fibers only (retire.cpp)
  std::atomic<activity> activity_;
  idle_clock idle_time_;
  std::unique_ptr<wakeup_times> wakeups_;
  fiber* returning_ = nullptr;  // returned from a blocking call, but lost its place
  std::unique_ptr<port> port_;
  std::array<context::stack_cache, size_classes> caches_;
  held_place place_;
  timer_duty duty_;
  watched_carrier carrier_;
  run_queue queue_;
  bed bed_;
  tracer trace_;
  std::uint64_t ids_kept_ = 0;  // while it traces: where its share ends
  fiber base_;
};

}  // namespace hilo::sched
