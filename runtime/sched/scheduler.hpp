// The scheduler: the state that the workers of one runtime share.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "hilo/detail/spin_lock.hpp"
#include "hilo/kernel/mutex.hpp"
#include "hilo/runtime.hpp"
#include "hilo/thread.hpp"

#include "runtime/context/stack_cache.hpp"
#include "runtime/sched/blocking/spares.hpp"
#include "runtime/sched/driver.hpp"
#include "runtime/sched/fibers/fiber.hpp"
#include "runtime/sched/fibers/user_stacks.hpp"
#include "runtime/sched/queues/shared_queues.hpp"
#include "runtime/sched/watch/monitor.hpp"
#include "runtime/sys/futex.hpp"
#include "runtime/thread/forked_process.hpp"

namespace hilo::sched {

class decider;
class worker;

// Where a runnable fiber is put: its worker's next slot, the end of its ring, or the injector.
enum class turn : std::uint8_t { next, last, injected };

class scheduler {
 public:
  // Stack sizes are powers of two: class 0 is 16 KiB, the last one 1 GiB.
  static constexpr unsigned size_classes = 17;
  static constexpr std::size_t smallest_stack = 16 * 1024;
  static constexpr std::size_t largest_guard = std::size_t{1} << 30;
  static constexpr unsigned most_carriers = 1024;
  static constexpr unsigned most_spares = 32 * 1024;

  // Checks the options, reserves stacks and starts the carriers. Throws std::system_error. With a
  // decider it belongs to a simulation and starts no carriers (decider.hpp).
  explicit scheduler(const runtime_options& options, decider* decides = nullptr);
  // Waits for the last fiber, then stops.
  ~scheduler();
  scheduler(const scheduler&) = delete;
  scheduler& operator=(const scheduler&) = delete;

  // Whether this is a runtime of the process that this process was forked from. Nothing of it runs
  // here (forked_fiber.hpp).
  bool left_behind() const noexcept { return process_ != kernel::process_number(); }
  // Whether the destructor must not run: the process is ending, or left the runtime behind. exit(3)
  // in the main thread waits for the fibers, as the destructor does. exit(3) in any other thread
  // does not wait, because the fibers may wait for the thread that called it, or one of them may be
  // the caller.
  bool must_stay() noexcept;

  // Which runtime of this process it is, from 1 on.
  std::uint32_t number() const noexcept { return number_; }

  // The number of kernel threads that run fibers at a time, not counting extra places.
  unsigned carriers() const noexcept { return carriers_; }

  // Decides which fiber runs; null except in a simulation.
  decider* decides() const noexcept { return decides_; }
  // Restarts the time of a simulation; no timer is armed.
  void restart_clock(std::int64_t now) noexcept;

  // Number of workers made so far, with spares. (E) acquire: pairs with the release in
  // start_spare(); publishes the worker.
  std::size_t workers() const noexcept { return made_.load(std::memory_order_acquire); }
  std::size_t most_workers() const noexcept { return workers_.size(); }
  worker& at(std::size_t index) noexcept { return *workers_[index]; }
  shared_queues& queues() noexcept { return queues_; }
  idle_workers& idle() noexcept { return queues_.idle(); }
  spares& spare() noexcept { return spares_; }
  monitor& watching() noexcept { return monitor_; }
  timer_wheel& wheel(std::size_t index) noexcept { return *wheels_[index]; }
  // When a worker on its base last fired timers: its own timers, and those of all sleeping workers.
  std::int64_t fired_at() const noexcept { return fired_at_.load(std::memory_order_relaxed); }
  void set_fired_at(std::int64_t now) noexcept { fired_at_.store(now, std::memory_order_relaxed); }
  place& base_place(std::size_t index) noexcept { return *places_[index]; }
  // The place whose holder fires these timers; an extra place beside it has the same timers.
  const place& place_of(const timer_wheel& timers) const noexcept;

  // The driver; the first call chooses and makes it. Throws std::system_error.
  driver& io();
  // Null before the first io(). (V) acquire: pairs with the release in io(); publishes the driver.
  driver* io_if_made() const noexcept { return io_.load(std::memory_order_acquire); }

  // Makes `one`, or a new worker if `one` is null, a spare that waits to be sent somewhere. False
  // if there is no memory or no thread for it, or if there are most_workers(). Does not park.
  bool start_spare(worker*& one) noexcept;

  // Makes a fiber runnable from one of its workers.
  void inject(fiber& one) noexcept {
    if (one.special) [[unlikely]]
      return run_special(one, turn::injected);
    queues_.inject(one);
  }

  // The same from a thread that is not one of its carriers. The fiber may run, and be the last one,
  // before published() is done with this object. The guest count keeps the destructor waiting until
  // then. In the child of a fork a fiber of the parent is dropped.
  [[gnu::noinline]] void inject_as_guest(fiber& one) noexcept {
    if (left_behind()) [[unlikely]]
      return;
    guests_.fetch_add(1, std::memory_order_relaxed);  // ordered before the end by the push
    inject(one);
    guests_.fetch_sub(1, std::memory_order_release);  // (G) pairs with the destructor's acquire
  }
  // Puts a special fiber into its lane, or into the queue that `where` says if it is special only
  // because its wakes are measured or traced; from any thread (lanes.cpp).
  [[gnu::cold]] void run_special(fiber& one, turn where) noexcept;

  // The class of a stack size in bytes. Throws for a size out of range.
  static unsigned size_class_of(std::size_t bytes);
  unsigned default_class() const noexcept { return default_class_; }

  // The extras of fibers spawned without options, and with these options.
  fiber_extras default_extras() const noexcept { return default_extras_; }
  fiber_extras extras_of(const spawn_options& options) const noexcept {
    return {.own_block =
                options.tls == tls::inherit ? default_extras_.own_block : options.tls == tls::own,
            .fp_control = options.keep_fp_control,
            .paint = default_extras_.paint || options.paint_stack,
            .watched = default_extras_.watched};
  }

  // The stacks of a class; made at first use. Throws std::system_error.
  context::stack_pool& pool(unsigned size_class);

  // Gives back the memory of stacks that were not needed for a while, some at a time. True: there
  // is more to do at once. Called by workers about to sleep.
  bool tidy_stacks(std::int64_t now) noexcept;
  // Whether a later tidy_stacks() may find such stacks. A hint.
  bool spare_stacks() const noexcept;
  static constexpr std::int64_t tidy_period = 1'000'000'000;  // ns

  // Counts of spawns, ends and returned stacks outside the workers, which count their own; see
  // all_ended().
  void count_guest_spawn() noexcept { guest_spawned_.fetch_add(1, std::memory_order_release); }
  void count_guest_end() noexcept { guest_ended_.fetch_add(1, std::memory_order_release); }
  void count_guest_return() noexcept { guest_returned_.fetch_add(1, std::memory_order_release); }

  // Takes `count` numbers for fibers, and returns the first of them. No other caller gets them.
  std::uint64_t next_ids(std::uint64_t count) noexcept {
    return next_id_.fetch_add(count, std::memory_order_relaxed);  // only has to differ
  }

  // Asks every living fiber to stop (stop_all.cpp). Throws std::bad_alloc.
  void ask_to_stop();
  // The same, again and again until all have ended or the deadline has come. Returns the number of
  // fibers that are alive then.
  std::size_t stop_fibers(std::int64_t deadline);

  // The fibers that run on the user's memory.
  user_stacks& on_user_stacks() noexcept { return user_stacks_; }

  // Calls f(fiber) for each control block on its stacks, also of fibers that have ended. No slot is
  // closed meanwhile.
  template <class F>
  void for_each_built(F&& f);
  // The same in two parts, for a caller that needs what it found for longer. While the first lives,
  // a control block that was found stays readable, and those on a user's stack cannot end.
  class slots_kept {
   public:
    explicit slots_kept(scheduler& its) noexcept : its_(its) { its_.keep_slots_open(); }
    ~slots_kept() { its_.let_slots_close(); }
    slots_kept(const slots_kept&) = delete;
    slots_kept& operator=(const slots_kept&) = delete;

   private:
    scheduler& its_;
  };
  template <class F>
  void for_each_kept(F&& f) {
    visit_built([&](fiber& one, const char*, const context::stack_pool*) { f(one); });
  }
  // How many fibers are alive. Exact once no fiber and no foreign thread spawns any more.
  std::size_t live_fibers() const noexcept;
  // Whether a thread waits, without end, until all fibers have ended. relaxed: read by a thread
  // that compares it with what that thread does.
  bool is_drained() const noexcept { return drained_.load(std::memory_order_relaxed); }
  bool measures_wakeups() const noexcept { return measures_wakeups_; }
  std::uint64_t guests_spawned() const noexcept {
    return guest_spawned_.load(std::memory_order_acquire);
  }
  std::uint64_t guests_ended() const noexcept {
    return guest_ended_.load(std::memory_order_acquire);
  }
  on_deadlock wish_at_deadlock() const noexcept { return deadlock_; }
  bool warns_about_locks() const noexcept { return lock_warnings_; }

  // Whether no fiber is alive. Exact once no fiber and no foreign thread spawns any more.
  bool all_ended() const noexcept;

  // Called when a worker found nothing to do. If a thread waits for the end of all fibers, checks
  // whether they have ended.
  void idle_reached() noexcept;

  // True once the carriers must end. acquire: pairs with the release in stop().
  bool stopping() const noexcept { return stopping_.load(std::memory_order_acquire); }

 private:
  struct asked;
  template <class Keep>
  void protect(asked& some, Keep keep);
  void ask(asked& some);
  // Calls f(fiber, top, pool) for each control block, with slots kept open; a fiber on a stack of
  // the user's has neither top nor pool. f may let the slots close for a while. Then a fiber that
  // leaves the list of user stacks moves the fibers behind it forward. So that list is walked from
  // the back: some fibers are met twice, and none is missed.
  template <class F>
  void visit_built(F&& f);
  void keep_slots_open() noexcept;
  void let_slots_close() noexcept;

  void note_wake(fiber& one) const noexcept;
  void run_observed(fiber& one, turn where) noexcept;
  void start_carriers();
  thread start_carrier(std::size_t index);
  void wait_for_fibers() noexcept;
  void stop() noexcept;

  decider* const decides_;
  const std::uint32_t number_;
  const std::uint32_t process_ = kernel::process_number();
  std::size_t stack_reserve_;
  unsigned default_class_;
  const bool measures_wakeups_;
  fiber_extras default_extras_;
  bool unguarded_stacks_;
  std::size_t guard_size_;

  // Pools by class. Made under pools_lock_, published by release, read by acquire (label C).
  kernel::mutex pools_lock_;
  std::array<std::atomic<context::stack_pool*>, size_classes> pools_{};

  std::atomic<std::int64_t> fired_at_{0};   // relaxed: only a time
  std::atomic<bool> tidying_{false};        // one worker tidies at a time; acquire and release (Y)
  std::atomic<std::int64_t> tidied_at_{0};  // written by that worker; relaxed: only a time

  user_stacks user_stacks_;

  io_driver wanted_io_;
  kernel::mutex making_io_;
  std::unique_ptr<driver> made_io_;   // guarded by making_io_; outlives the workers' ports
  std::atomic<driver*> io_{nullptr};  // (V)

  const unsigned carriers_;
  std::vector<std::unique_ptr<timer_wheel>> wheels_;  // one per place
  std::vector<std::unique_ptr<place>> places_;
  std::vector<std::unique_ptr<worker>> workers_;  // room for all of them; made_ of them exist
  std::atomic<std::size_t> made_{0};              // written by start_spare() under starting_ (E)
  kernel::mutex starting_;
  std::atomic<std::uint32_t> prompts_{0};  // prompted next by a guest; relaxed: only a turn
  shared_queues queues_;

  std::uint64_t spawned() const noexcept;
  std::uint64_t ended() const noexcept;
  std::uint64_t returned() const noexcept;

  std::atomic<std::uint64_t> guest_spawned_{0};
  std::atomic<std::uint64_t> guest_ended_{0};
  std::atomic<std::uint64_t> guest_returned_{0};
  std::atomic<std::uint64_t> next_id_{1};
  std::atomic<std::uint32_t> guests_{0};  // threads inside inject_as_guest()
  std::atomic<bool> stopping_{false};
  // 0 no thread waits for the last fiber, 1 some thread waits, 2 it ended (a futex). seq_cst: see
  // idle_reached().
  sys::futex_word draining_{0};
  std::atomic<bool> drained_{false};  // wait_for_fibers() is under way; relaxed
  const on_deadlock deadlock_;
  const bool lock_warnings_;
  const int dump_signal_;  // 0: none

  spares spares_;
  monitor monitor_;
  std::vector<thread> threads_;  // workers_[i]'s carrier

  friend void abandon(scheduler& one) noexcept;
  scheduler* abandoned_before_ = nullptr;
};

template <class F>
void scheduler::visit_built(F&& f) {
  for (auto& each : pools_) {
    const context::stack_pool* const pool = each.load(std::memory_order_acquire);  // (C)
    if (pool == nullptr) continue;
    pool->for_each_built(
        [&](char* top) { f(*reinterpret_cast<fiber* const*>(top)[-1], top, pool); });
  }
  for (std::size_t i = user_stacks_.size(); i-- > 0;) {
    if (fiber* const one = user_stacks_.at(i)) f(*one, nullptr, nullptr);
  }
}

template <class F>
void scheduler::for_each_built(F&& f) {
  const slots_kept while_it_runs(*this);  // f may throw
  for_each_kept(f);
}

// Called for a runtime that must_stay().
void abandon(scheduler& one) noexcept;

}  // namespace hilo::sched
