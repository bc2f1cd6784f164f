// The run queue of one worker: which fiber runs next. It knows fibers and the queues that workers
// share. It knows nothing of threads, sleep, timers or places.
//
// Order. Newly spawned fibers run depth-first: the owner takes the newest first. Thieves take the
// oldest, which in a tree is the largest part. Woken and yielded fibers run first in, first out.
// The last fiber that was spawned or woken waits in the next slot and runs as soon as the current
// fiber parks: the current fiber most likely waits for it, and its data is warm.
//
//   next slot   at most `longest_streak` times in a row while others wait, then to the end of ready
//   spawned     newest first    } in turn, so that neither
//   ready       oldest first    } starves the other
//   injector    every `poll_period` switches, and when the others are empty
//   special     fibers with a priority or a pin (lanes.cpp): at once after a prompt, every
//               `poll_period` switches, and when the others are empty
//
// The owner counts its switches in `tick`. At the tick `attend_at` it leaves this order once, to
// attend to what is rare (worker::attend).
//
// Parks are counted too, for hilo/metrics.hpp, and a switch pays one instruction for that. One word
// is the sum of all switches and of all parks times 2^32, modulo 2^64. So the lower half is the
// tick, and a switch adds one constant or the other. `long_ticks_` and `long_parks_` are the full
// counts at some earlier moment, less than 2^32 switches ago. With them a reader has the full
// counts of now: read_turns().
//
// Who may call. Functions without another mark are for the owner: the worker's carrier. Others
// steal only if the queue is shared().
#pragma once

#include <atomic>
#include <cstdint>

#include "runtime/base/cpu.hpp"
#include "runtime/sched/fibers/fiber.hpp"
#include "runtime/sched/queues/injector.hpp"
#include "runtime/sched/queues/shared_queues.hpp"
#include "runtime/sched/queues/work_ring.hpp"
#include "runtime/sched/trace/counter.hpp"

namespace hilo::sched {

class run_queue {
 public:
  static constexpr std::uint32_t poll_period = 61;  // as Go; prime, to fall out of step with loops
  static constexpr std::uint32_t longest_streak = 16;  // guess: bounds what a pair can keep away

  run_queue(shared_queues& common, bool shared) noexcept : shared_(shared), common_(common) {}

  // --- fibers that become runnable; none of them is special ---

  // It runs next.
  void put_next(fiber& one) noexcept {
    if (fiber* previous = fill_slot(&one)) return put_surplus(*previous);
    if (shared()) common_.idle().slot_published();
  }
  // It runs behind the others.
  void put_last(fiber& one) noexcept {
    if (!ready_.push(&one)) [[unlikely]]
      common_.inject(one);
  }
  // put_last() in two parts, for a caller that calls nothing: whether there is room in the ring,
  // and the push itself.
  bool has_room() const noexcept { return !ready_.full(); }
  void push_last(fiber& one) noexcept { (void)ready_.push(&one); }
  // It was displaced from the slot, or woken in bulk: other workers may take it.
  void put_surplus(fiber& one) noexcept;

  // Whether a spawn must run its child first: the ring of new fibers is full, so keeping the child
  // for later would only increase the number of stacks.
  bool crowded() const noexcept { return spawned_.full(); }

  // --- the next fiber ---

  // Counts a switch, and returns its number.
  std::uint32_t next_tick() noexcept {
    const std::uint64_t turns = turns_.load(std::memory_order_relaxed) + 1;  // only we write it
    turns_.store(turns, std::memory_order_release);
    return static_cast<std::uint32_t>(turns);
  }
  // The switch that was counted last is that of a fiber that parks.
  void count_park() noexcept {
    turns_.store(turns_.load(std::memory_order_relaxed) + one_park, std::memory_order_release);
  }
  bool must_attend(std::uint32_t tick) const noexcept {
    return static_cast<std::int32_t>(tick - attend_at_.load(std::memory_order_relaxed)) >= 0;
  }

  // The fiber from the worker's own queues, in the order above, at this tick.
  fiber* take_own(std::uint32_t tick) noexcept;
  // The fiber from the shared queues, or a special fiber. `tell`: others are told if there is more.
  // A searcher does that itself, at the end of its search.
  fiber* take_common(bool tell) noexcept {
    return common_.injected().size() == 0 ? take_special() : take_injected(tell);
  }
  fiber* take_injected(bool tell) noexcept;
  fiber* take_special() noexcept;

  // take_own() for the quick cases: where nothing must be attended to, and the fiber whose turn it
  // is has left its CPU. Null: the tick is not counted, and the caller goes the long way. May be
  // `running`. `why`: for the count.
  enum class leaving : std::uint8_t { parks, goes_on };
  fiber* take_quickly(const detail::fork_list* running, leaving why) noexcept;

  // Begins the turn of a fiber that was in no queue, if it would run next anyway. Does as
  // put_next() and the take after it would, but does not offer the fiber to others in between.
  bool pass_turn_to(const fiber& one) noexcept;

  // Whether this fiber waits in the slot and no other worker may take it from there. A carrier that
  // is held up may lose it, but only in a system call (monitor::relieve).
  bool alone_has_next(const fiber& one) const noexcept {
    return !shared() && slot_.load(std::memory_order_relaxed) == &one;
  }

  // --- for worker::attend(), at the tick that came ---

  // The next tick to attend at is a period away, unless something else is said. (A)
  void begin_attending(std::uint32_t tick) noexcept {
    (void)attend_at_.exchange(tick + poll_period, std::memory_order_acq_rel);  // (A)
  }
  void attend_next(std::uint32_t tick) noexcept {
    attend_at_.store(tick + 1, std::memory_order_relaxed);
  }
  // True once a period: the caller looks at what must be polled.
  bool poll_is_due(std::uint32_t tick) noexcept {
    if (tick - polled_ < poll_period) return false;
    polled_ = tick;
    return true;
  }
  // So many fibers that wait among the ready ones, woken by timers, get their turn at the next
  // switches: fibers in the slot that spawn without end would never give way to them.
  void owe(std::uint32_t turns, std::uint32_t tick) noexcept {
    owed_ += turns;
    if (owed_ != 0) attend_next(tick);
  }
  // The oldest of the injector, in its turn; it goes before fibers that the poll wakes.
  fiber* take_waited(bool tell) noexcept {
    return common_.injected().size() != 0 ? take_injected(tell) : nullptr;
  }
  // What the poll chose: a fiber of idle priority if one is due, else `waited`.
  fiber* choose_after_poll(std::uint32_t tick, fiber* waited) noexcept;
  // The special fibers' turn, and the turns that are owed.
  fiber* choose_special(std::uint32_t tick) noexcept;
  // The oldest of the fibers that are pinned here.
  fiber* take_pinned() noexcept { return mail_.size() == 0 ? nullptr : mail_.take(1); }

  // --- from any thread ---

  // Makes the owner attend at its next switch. release: pairs with the exchange in
  // begin_attending() (A); publishes the work that it must find.
  void prompt() noexcept {
    attend_at_.store(tick_of(turns_.load(std::memory_order_relaxed)), std::memory_order_release);
  }
  // A fiber that is pinned to the owner is runnable.
  void post(fiber& one) noexcept {
    mail_.push(one);
    prompt();
  }
  // The fibers in the slot and in the rings; for the owner, a hint for others.
  std::uint32_t length() const noexcept {
    const bool filled = slot_.load(std::memory_order_relaxed) != nullptr;
    return spawned_.size() + ready_.size() + (filled ? 1U : 0U);
  }
  std::size_t settled_mail() const noexcept { return mail_.settled_size(); }

  // acquire: a reader of the tick sees all that happened before it was counted
  std::uint32_t tick() const noexcept { return tick_of(turns_.load(std::memory_order_acquire)); }

  // How often the owner chose what runs next, and how often that was because a fiber parked.
  struct turn_counts {
    std::uint64_t switches;
    std::uint64_t parks;
  };
  // From earlier full counts, and the word of now.
  static turn_counts lengthen(std::uint64_t switches, std::uint64_t parks,
                              std::uint64_t word) noexcept {
    switches += tick_of(word - switches);
    parks += static_cast<std::uint32_t>(((word - switches) >> 32) - parks);
    return {switches, parks};
  }
  turn_counts read_turns() const noexcept {
    // (AC) acquire: the word that is read last is not older than these. Each of them is right with
    // that word, also if they are of two moments.
    const std::uint64_t switches = long_ticks_.load(std::memory_order_acquire);
    const std::uint64_t parks = long_parks_.load(std::memory_order_acquire);
    return lengthen(switches, parks, turns_.load(std::memory_order_relaxed));
  }
  // Fibers that the owner took from other workers, and from the injector.
  std::uint64_t stolen() const noexcept { return stolen_.read(); }
  std::uint64_t injected() const noexcept { return injected_.read(); }

  // From now on others steal here. The caller makes sure that the owner sees this before they
  // steal: the caller is the owner, or saw the owner asleep in a system call after this.
  void share() noexcept { shared_.store(true, std::memory_order_seq_cst); }
  bool is_shared() const noexcept { return shared_.load(std::memory_order_seq_cst); }
  // The owner's own look, and its word that no thief is left.
  bool shared() const noexcept { return shared_.load(std::memory_order_relaxed); }
  void set_shared(bool now) noexcept { shared_.store(now, std::memory_order_relaxed); }

  // --- for other workers ---

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

  // For `thief`: takes a fiber that has not begun yet, and moves up to half of the ring's fibers to
  // the thief.
  fiber* steal_new(run_queue& thief) noexcept {
    return steal_half(spawned_, thief, thief.spawned_);
  }
  // For `thief`: takes the slot's fiber if the owner has not switched since, otherwise half of the
  // others behind.
  fiber* steal_behind(run_queue& thief, const sight& then) noexcept;

  // Called by a worker that takes the place of the owner, which is held up: takes all fibers.
  // Thieves may take some of them meanwhile.
  void take_over(run_queue& from) noexcept;
  // Gives all fibers that may run elsewhere to the other workers, which know that they may steal
  // here.
  void give_away() noexcept;

  // The owner's wish while it fires timers: fibers that it wakes are for itself, and others are not
  // told of them.
  void keep_quiet(bool quiet) noexcept { quiet_ = quiet; }
  bool quiet() const noexcept { return quiet_; }

 private:
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
  fiber* turn_of_slot(fiber& one, std::uint32_t tick) noexcept;
  fiber* take_ring(std::uint32_t tick) noexcept;
  fiber* steal_slot(std::uint32_t seen) noexcept;
  fiber* steal_half(work_ring& from, run_queue& thief, work_ring& into) noexcept;

  static constexpr std::uint64_t one_park = std::uint64_t{1} << 32;
  static std::uint32_t tick_of(std::uint64_t turns) noexcept {
    return static_cast<std::uint32_t>(turns);
  }
  void keep_long_counts() noexcept;

  // Written by the owner, read by watchers.
  alignas(base::cache_line) std::atomic<std::uint64_t> turns_{0};  // switches + 2^32 parks
  // The tick at which to attend. Written by the owner, and by any thread that prompts it (A).
  std::atomic<std::uint32_t> attend_at_{poll_period};
  // Others may steal here. Written by the owner and, while the owner sleeps, by the monitor;
  // relaxed: share() says how the owner learns of it.
  std::atomic<bool> shared_;
  bool quiet_ = false;
  std::uint32_t streak_ = 0;          // how often in a row the slot's fiber had its turn
  std::uint32_t special_streak_ = 0;  // how often in a row a special fiber was chosen
  std::uint32_t owed_ = 0;
  std::uint32_t polled_ = 0, idle_turn_ = 0;  // ticks
  shared_queues& common_;

  // Filled by the owner, emptied by the owner or a watcher. seq_cst: a queue of the idle protocol.
  alignas(base::cache_line) std::atomic<fiber*> slot_{nullptr};

  // Written by the owner once in a while (AC).
  std::atomic<std::uint64_t> long_ticks_{0}, long_parks_{0};
  counter stolen_, injected_;

  work_ring spawned_;
  work_ring ready_;
  injector mail_;  // runnable fibers that are pinned to the owner
};

[[gnu::always_inline]] inline fiber* run_queue::take_ring(std::uint32_t tick) noexcept {
  const bool new_first = (tick & 1) != 0;
  fiber* const one = new_first ? spawned_.take_newest(shared()) : ready_.take_oldest(shared());
  if (one != nullptr) return one;
  return new_first ? ready_.take_oldest(shared()) : spawned_.take_newest(shared());
}

[[gnu::always_inline]] inline fiber* run_queue::take_quickly(const detail::fork_list* running,
                                                             leaving why) noexcept {
  const std::uint64_t turns =
      turns_.load(std::memory_order_relaxed) + 1 + (why == leaving::parks ? one_park : 0);
  const std::uint32_t tick = tick_of(turns);
  if (must_attend(tick)) [[unlikely]]
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
    // Measured: with thieves, spawn_many is slower if this path takes new fibers first
    // (decisions/short-lives.md).
    if (shared() && (tick & 1) != 0 && !spawned_.empty()) return nullptr;
    one = take_ring(tick);
    if (one == nullptr) return nullptr;
    if (one != running && !one->context.off_cpu()) [[unlikely]] {
      (void)ready_.push(one);  // there is room: it was there. A fiber that is new is off its CPU.
      return nullptr;
    }
    streak_ = 0;
  }
  turns_.store(turns, std::memory_order_release);
  return one;
}

inline bool run_queue::pass_turn_to(const fiber& one) noexcept {
  const std::uint64_t turns = turns_.load(std::memory_order_relaxed) + 1;
  if (must_attend(tick_of(turns)) || slot_.load(std::memory_order_relaxed) != nullptr ||
      streak_ >= longest_streak || !one.context.off_cpu()) {
    return false;
  }
  turns_.store(turns, std::memory_order_release);
  ++streak_;
  return true;
}

}  // namespace hilo::sched
