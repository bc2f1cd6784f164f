// A worker: the part of the scheduler that one carrier runs, and the order in which it runs fibers.
//
// Order. Newly spawned fibers run depth-first: the owner takes the newest first. Thieves take the
// oldest, which in a tree is the largest part. Woken and yielded fibers run first in, first out.
// The last fiber that was spawned or woken waits in the next slot and runs as soon as the current
// fiber parks: the current fiber most likely waits for it, and its data is warm.
//
//   next slot   at most `longest_streak` times in a row while others wait, then to the end of ready
//   spawned     newest first    } in turn, so that neither
//   ready       oldest first    } starves the other
//   injector    every `poll_period` switches, and when the others are empty; then timers too
//
// Fibers with a priority, and pinned fibers, wait in lanes of their own (lanes.cpp). attend() looks
// there every poll_period switches, and at once after a prompt.
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

#include "hilo/kernel/mutex.hpp"

#include "runtime/base/cpu.hpp"
#include "runtime/sched/carrier_sight.hpp"
#include "runtime/sched/current.hpp"
#include "runtime/sched/driver.hpp"
#include "runtime/sched/fiber.hpp"
#include "runtime/sched/scheduler.hpp"
#include "runtime/sched/spares.hpp"
#include "runtime/sched/timer_wheel.hpp"
#include "runtime/sched/work_ring.hpp"
#include "runtime/sys/futex.hpp"

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

  // --- for the fiber that runs here, on its own stack ---

  fiber& running() noexcept { return static_cast<fiber&>(*forks); }
  scheduler& home() noexcept { return scheduler_; }
  unsigned index() const noexcept { return index_; }

  // The fiber to run next. Null when there is none here, or it is still on a CPU: then the base is
  // next. May be the running fiber itself.
  fiber* pick() noexcept;

  // The same for the quick cases: the slot's fiber, or the oldest that is ready. Null: ask pick().
  // It is in line and calls nothing, so a caller that ends in the switch keeps nothing on the
  // stack.
  fiber* pick_quickly() noexcept;

  // Leaves the running fiber for another, or for the base. Returns the value that its waker passed.
  [[gnu::always_inline]] std::uint32_t switch_to(fiber& to, bool dying = false) noexcept {
    fiber& from = running();
    if ((from.keeps | to.keeps) != 0) [[unlikely]]
      return switch_keeping(to, dying);
    from.exceptions = *exceptions_;
    *exceptions_ = to.exceptions;
    to.carrier = this;
    to.started = true;
    forks = &to;
    return context::switch_context(from.context, to.context, dying);
  }
  fiber& base() noexcept { return base_; }

  // The carrier's own, for a fiber that gives up its thread block.
  void* thread_pointer() const noexcept { return thread_pointer_; }
  void forget_exceptions() noexcept { *exceptions_ = {}; }

  // Makes a fiber runnable next.
  void run_next(fiber& one) noexcept {
    if (one.special) [[unlikely]]
      return scheduler_.run_special(one);
    if (fiber* previous = fill_slot(&one)) return surplus(*previous);
    if (shared()) scheduler_.idle().slot_published();
  }

  // Begins the turn of a fiber that the running fiber must wake as it ends or parks. Does as
  // run_next() and pick() would, but does not offer the fiber to others in between. False: call
  // those two.
  bool pass_turn_to(const fiber& one) noexcept;

  // Whether this fiber waits in the slot and no other worker may take it from there. A carrier that
  // is held up may lose it, but only in a system call (monitor::relieve).
  bool alone_has_next(const fiber& one) const noexcept {
    return !shared() && slot_.load(std::memory_order_relaxed) == &one;
  }

  // Makes a fiber runnable behind the others.
  void run_later(fiber& one) noexcept {
    if (one.special) [[unlikely]]
      return scheduler_.run_special(one);
    if (!ready_.push(&one)) [[unlikely]]
      scheduler_.inject(one);
  }

  // run_later() in two parts, for a caller that calls nothing: whether a fiber can wait among the
  // ready fibers, and the push itself.
  bool can_queue(const fiber& one) const noexcept { return !one.special && !ready_.full(); }
  void queue(fiber& one) noexcept { (void)ready_.push(&one); }

  // A fiber that was displaced from the slot, or woken in bulk: other workers may take it.
  void surplus(fiber& one) noexcept;

  // Whether a spawn must run its child first: the ring of new fibers is full, so keeping the child
  // for later would only increase the number of stacks.
  bool crowded() const noexcept { return spawned_.full(); }

  // Makes fibers of all forks of the running fiber, because it is about to park (detail/fork.hpp).
  [[gnu::cold, gnu::noinline]] void offer_forks() noexcept;

  std::uint32_t random() noexcept;

  context::stack_cache& cache(unsigned size_class) noexcept { return caches_[size_class]; }
  timer_wheel& timers() noexcept { return *place_->timers; }

  // Fibers that may run on no other worker, and the owner's count of those alive.
  void pin(fiber& one) noexcept;
  void unpin(fiber& one) noexcept;

  // For retire.cpp, whose head says how. The running fiber keeps this carrier to itself and to the
  // other fibers that are pinned here. `successor`, a spare that was taken, gets the place.
  void pin_for_life(fiber& one) noexcept;
  void retire(worker& successor) noexcept;
  bool retired() const noexcept { return retired_; }

  // This worker's part of the driver; null until a fiber that ran here did I/O.
  port* io() const noexcept { return port_.get(); }
  void open_io(std::unique_ptr<port> made) noexcept { port_ = std::move(made); }

  // Whether the base must run now, although fibers wait: this worker must leave its place, or say
  // that it cannot.
  bool called_back() const noexcept {
    return place_closes() && (pinned_ == 0 || !place_->overstayed);
  }
  // Whether this worker's place is closed, so that a fiber that gives way and may run elsewhere
  // should leave.
  bool place_closes() const noexcept { return place_->closing.load(std::memory_order_relaxed); }

  //--- for blocking.cpp, whose head says how: the running fiber leaves its worker and comes back

  bool has_pinned() const noexcept { return pinned_ != 0; }
  bool has_io() const noexcept { return port_ != nullptr && port_->bound(); }
  void carry(fiber& one) noexcept;
  void offer_place() noexcept { offer_.store(offered, std::memory_order_release); }  // (H1)
  bool take_place_back() noexcept;
  void return_later(fiber& one) noexcept { returning_ = &one; }
  place* beside = nullptr;  // the extra place that was opened beside this worker

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

  // Fiber ids; take_id() only where has_ids().
  bool has_ids() const noexcept { return ids_ != ids_end_; }
  std::uint64_t take_id() noexcept { return ids_++; }
  std::uint64_t next_id() noexcept {
    if (!has_ids()) [[unlikely]]
      more_ids();
    return take_id();
  }

  // --- for other workers ---

  // Ends this worker's sleep; the caller has taken it out of the sleepers, or out of the spares.
  void wake_up() noexcept;
  void expect_wake_up() noexcept { woken_.store(0, std::memory_order_relaxed); }
  // Mail waits in its port: makes this worker look at its next switch, or wakes it.
  void summon() noexcept;
  void await_wake_up() noexcept;
  bool await_wake_up_until(std::int64_t when) noexcept;

  // Sends a spare that was taken: to stand in for `held`, to hold `extra`, or back to sleep.
  void send_to(worker* held, place* extra) noexcept;

  // Makes the owner attend at its next switch. release: pairs with the exchange in attend() (A);
  // publishes the work that attend() must find.
  void prompt() noexcept {
    attend_at_.store(tick_.load(std::memory_order_relaxed), std::memory_order_release);
  }

  // From now on others steal here. The caller makes sure that the owner sees this before they
  // steal: the caller is the owner, or saw the owner asleep in a system call after this.
  void share() noexcept { shared_.store(true, std::memory_order_seq_cst); }
  bool is_shared() const noexcept { return shared_.load(std::memory_order_seq_cst); }

  // Takes a pinned fiber that is runnable.
  void deliver(fiber& one) noexcept;

  // For the monitor. relaxed: the monitor looks again.
  enum class activity : std::uint8_t { running, asleep, spare, retired };
  activity now_doing() const noexcept { return activity_.load(std::memory_order_relaxed); }
  timer_wheel* last_timers() const noexcept { return wheel_.load(std::memory_order_relaxed); }
  bool blocks() const noexcept { return offer_.load(std::memory_order_relaxed) != kept; }
  int carrier_id() const noexcept { return tid_.load(std::memory_order_relaxed); }
  // What the kernel thread does, exactly (carrier_sight.hpp). unknown: it cannot be told, or it
  // takes a descriptor and `thorough` is false.
  carrier_state exact_state(bool thorough) noexcept;
  // Whether it always acts as if there are thieves.
  bool shares_for_good() const noexcept { return shares_for_good_.load(std::memory_order_relaxed); }

  // For `thief`: takes a fiber that has not begun yet, and moves up to half of the ring's fibers to
  // the thief.
  fiber* steal_new(worker& thief) noexcept { return steal_half(spawned_, thief.spawned_); }

  // What a watcher sees of the fibers behind the running fiber; hints.
  struct sight {
    std::uint32_t tick = 0;   // switches so far
    std::uint32_t taken = 0;  // fibers taken from the ring so far
    std::uint32_t ready = 0;  // in the ring
  };
  sight look() const noexcept { return {tick(), ready_.taken(), ready_.size()}; }
  // Whether the fibers behind waited too long since `then`, which was `ns` ago, or would at that
  // pace.
  bool overdue(const sight& then, std::int64_t ns) const noexcept;
  // For `thief`: takes the slot's fiber if this worker has not switched since, otherwise half of
  // the others behind.
  fiber* steal_behind(worker& thief, const sight& then) noexcept;

  // acquire: a reader of the tick sees all that happened before it was counted
  std::uint32_t tick() const noexcept { return tick_.load(std::memory_order_acquire); }
  bool slot_filled() const noexcept {
    return slot_.load(std::memory_order_seq_cst) != nullptr;  // (Q3)
  }
  // (Q3)
  bool has_surplus() const noexcept { return spawned_.size() != 0; }
  // Whether a fiber waits behind the running fiber: in the slot or, if slot_only is false, in the
  // ring. (Q3)
  bool some_behind(bool slot_only) const noexcept {
    return slot_filled() || (!slot_only && ready_.size() != 0);
  }

 private:
  static constexpr unsigned size_classes = scheduler::size_classes;
  static constexpr std::uint32_t poll_period = 61;  // as Go; prime, to fall out of step with loops
  static constexpr std::uint32_t longest_streak = 16;  // guess: bounds what a pair can keep away

  // Puts a fiber into the slot and returns the fiber that was there. The exchange is also the full
  // barrier (P2) of the idle protocol.
  fiber* fill_slot(fiber* one) noexcept {
    if (shared()) return slot_.exchange(one, std::memory_order_seq_cst);
    fiber* const previous = slot_.load(std::memory_order_relaxed);  // no other worker writes it
    slot_.store(one, std::memory_order_release);  // a spare may come while this carrier is held up
    return previous;
  }
  fiber* empty_slot() noexcept {
    if (slot_.load(std::memory_order_relaxed) == nullptr) return nullptr;  // only we fill it
    return fill_slot(nullptr);
  }

  std::uint32_t switch_keeping(fiber& to, bool dying) noexcept;
  bool shared() const noexcept { return shared_.load(std::memory_order_relaxed); }

  fiber* take() noexcept { return take_from(next_tick()); }
  std::uint32_t next_tick() noexcept;
  bool must_attend(std::uint32_t tick) const noexcept;
  fiber* take_from(std::uint32_t tick) noexcept;
  fiber* take_queued(std::uint32_t tick) noexcept;
  fiber* turn_of_slot(fiber& one, std::uint32_t tick) noexcept;
  fiber* fit_to_run(fiber* one) noexcept;
  [[gnu::cold]] bool attend(std::uint32_t tick, fiber*& chosen) noexcept;
  fiber* take_special() noexcept;
  fiber* take_injected() noexcept;
  void more_ids() noexcept;
  bool find_place() noexcept;
  bool stand_in_for(worker& held) noexcept;
  void leave_place() noexcept;
  void give_away() noexcept;
  bool carry_pinned() noexcept;
  bool attend_to_pinned(std::uint32_t tick, fiber*& chosen) noexcept;
  void sleep_aside() noexcept;
  void end_retirement() noexcept;
  void hold(place& at) noexcept {
    place_ = &at;
    at.holder.store(this, std::memory_order_release);  // (U)
    wheel_.store(at.timers, std::memory_order_relaxed);
  }
  void adopt_stack() noexcept;
  void show_to_monitor() noexcept;
  void hide_from_monitor() noexcept;
  // Called by the owner, between two operations on its ring.
  void share_for_good() noexcept {
    shares_for_good_.store(true, std::memory_order_relaxed);
    share();
  }
  fiber* search() noexcept;
  void end_search() noexcept;
  void ask_for_forks() noexcept;
  bool fire_timers() noexcept;
  std::int64_t next_alarm() noexcept;
  void sleep() noexcept;
  port* common_port() const noexcept;
  port* choose_bed() const noexcept;
  bool doze(std::int64_t until, port* bed) noexcept;
  std::int64_t tidy(std::int64_t now) noexcept;
  worker* find_behind() noexcept;
  fiber* steal_slot(std::uint32_t seen) noexcept;
  fiber* steal_half(work_ring& from, work_ring& into) noexcept;
  bool work_somewhere(const worker* except = nullptr) const noexcept;

  // Used by the owner, at every switch.
  scheduler& scheduler_;
  exception_globals* exceptions_ = nullptr;  // the carrier thread's own
  void* thread_pointer_ = nullptr;           // likewise
  context::fp_control fp_;                   // likewise, while a fiber with its own one runs
  place* place_ = nullptr;                   // of this worker while it holds it; null in a spare
  // Others may steal here. Written by the owner and, while the owner sleeps, by the monitor;
  // relaxed: share() says how the owner learns of it.
  std::atomic<bool> shared_;
  bool searching_ = false;
  std::int64_t fired_at_ = 0;   // when the base last fired timers
  bool batch_runs_ = false;     // the base fired timers since the last sleep
  bool quick_batches_ = false;  // the last such batch was quick
  bool quiet_ = false;          // firing a batch for this worker alone
  std::uint32_t owed_ = 0;      // turns of fibers that attend() woke by timers
  bool up_for_timers_ = false;  // it woke for timers since the last search
  bool drowsy_ = false;         // slept for a whole tidy period
  bool retired_ = false;        // carries pinned fibers only (retire.cpp)
  const unsigned index_;
  std::uint32_t streak_ = 0;
  std::uint32_t special_streak_ = 0;          // how often in a row attend() chose a special fiber
  std::uint32_t polled_ = 0, idle_turn_ = 0;  // ticks
  std::uint32_t pinned_ = 0;
  std::uint32_t random_state_;
  std::uint64_t ids_ = 0, ids_end_ = 0;  // fiber ids left of its share
  fiber* returning_ = nullptr;           // returned from a blocking call, but lost its place
  std::array<context::stack_cache, size_classes> caches_;
  std::unique_ptr<port> port_;
  // The port it sleeps in, or slept in last. Published by (K1). relaxed: a late waker may read it
  // while the next sleep begins, and then wakes that port without need.
  std::atomic<port*> bed_{nullptr};

  // Written by the owner, read by watchers.
  alignas(base::cache_line) std::atomic<std::uint32_t> tick_{0};  // switches, modulo 2^32
  // The tick at which to attend(). Written by the owner, and by any thread that prompts it (A).
  std::atomic<std::uint32_t> attend_at_{poll_period};
  std::atomic<activity> activity_;
  // The file by which the monitor sees the carrier's thread; guarded by sight_lock_. Empty where
  // thieves may come anyway.
  kernel::mutex sight_lock_;
  sys::own_descriptor call_file_;
  // The file is lost: the owner must share for good. Written by the monitor, read by the owner at
  // each attend(). Relaxed, like the next one: it publishes nothing.
  std::atomic<bool> out_of_sight_{false};
  std::atomic<bool> shares_for_good_;         // written by the owner
  std::atomic<int> tid_{0};                   // of the carrier
  std::atomic<timer_wheel*> wheel_{nullptr};  // of the last place it held; as old as the scheduler

  // The owner of the queue while the running fiber blocks: the table in spares.hpp. acq_rel: the
  // next owner sees all that the last one wrote into the queue.
  enum : std::uint32_t { kept, offered, moving, moved };
  std::atomic<std::uint32_t> offer_{kept};
  // Written by the sender of a spare, before it wakes the spare.
  worker* errand_held_ = nullptr;
  place* errand_place_ = nullptr;
  fiber* errand_fiber_ = nullptr;

  // Filled by the owner, emptied by the owner or a watcher. seq_cst: a queue of the idle protocol.
  alignas(base::cache_line) std::atomic<fiber*> slot_{nullptr};

  // 1: woken. Written by the waker with acq_rel (K1), read by the owner with acquire (K2):
  // publishes the waker's work. The owner resets it before it lets itself be woken. 2: the owner
  // sleeps in its port and not in the futex; set with release, so that its waker sees the port.
  enum : std::uint32_t { asleep, awake, in_port };
  alignas(base::cache_line) sys::futex_word woken_{asleep};

  work_ring spawned_;
  work_ring ready_;
  injector mail_;  // runnable fibers that are pinned here
  fiber base_;

  // For a retired worker: the place that it is in, which no other worker ever holds; the place
  // where it armed timers; and the number of timers armed there when it last told the holder.
  place apart_;
  const place* timed_by_ = nullptr;
  std::uint32_t told_arms_ = 0;
};

inline std::uint32_t worker::next_tick() noexcept {
  const std::uint32_t tick = tick_.load(std::memory_order_relaxed) + 1;  // only we write it
  tick_.store(tick, std::memory_order_release);
  return tick;
}

inline bool worker::must_attend(std::uint32_t tick) const noexcept {
  return static_cast<std::int32_t>(tick - attend_at_.load(std::memory_order_relaxed)) >= 0;
}

[[gnu::always_inline]] inline fiber* worker::pick_quickly() noexcept {
  const std::uint32_t tick = tick_.load(std::memory_order_relaxed) + 1;
  if (!forks->empty() || must_attend(tick)) [[unlikely]]
    return nullptr;
  fiber* one = slot_.load(std::memory_order_relaxed);
  if (one != nullptr) {
    if (streak_ >= longest_streak) return nullptr;
    one = fill_slot(nullptr);
    if (one == nullptr) return nullptr;
    if (!one->context.off_cpu()) [[unlikely]] {
      fill_slot(one);
      return nullptr;
    }
    ++streak_;
  } else {
    if ((tick & 1) != 0 && !spawned_.empty()) return nullptr;  // as take_queued()
    one = ready_.take_oldest(shared());
    if (one == nullptr) return nullptr;
    if (one != forks && !one->context.off_cpu()) [[unlikely]] {
      ready_.push(one);  // there is room: it was there
      return nullptr;
    }
    streak_ = 0;
  }
  tick_.store(tick, std::memory_order_release);
  return one;
}

inline bool worker::pass_turn_to(const fiber& one) noexcept {
  const std::uint32_t tick = tick_.load(std::memory_order_relaxed) + 1;
  if (one.home != &scheduler_ || one.special || !forks->empty() || must_attend(tick) ||
      slot_.load(std::memory_order_relaxed) != nullptr || streak_ >= longest_streak ||
      !one.context.off_cpu()) {
    return false;
  }
  tick_.store(tick, std::memory_order_release);
  ++streak_;
  return true;
}

}  // namespace hilo::sched
