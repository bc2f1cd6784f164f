// A worker of hilo, in the simulation: its queue (runtime/sched/queues/run_queue.hpp), its search
// (queues/steal.cpp) and its sleep (idling/sleep.cpp), step by step. It has no timers, ports,
// priorities, pins and spares: no workload here uses them.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include "bench/scaling/fiber.hpp"
#include "bench/scaling/machine.hpp"
#include "bench/scaling/ring.hpp"
#include "bench/scaling/step.hpp"

namespace scaling {

class runtime;

class worker {
 public:
  worker(runtime& home, unsigned index);
  worker(const worker&) = delete;
  worker& operator=(const worker&) = delete;

  machine& on() noexcept { return machine_; }
  thread& its_thread() noexcept { return thread_; }
  runtime& home() noexcept { return home_; }
  unsigned index() const noexcept { return index_; }
  std::uint32_t name() const noexcept { return (index_ + 1) * 16; }  // for spin_lock

  void relax(unsigned pauses) noexcept;
  void spend_on_barrier() noexcept;
  void spend_on_kernel_switch() noexcept;
  void spend_on_membarrier() noexcept;

  // The carrier's program.
  step<void> loop();
  // Before the program begins: its first fiber.
  void begin_with(fiber& one) noexcept { slot_ = &one; }

  // --- for the fiber that runs here ---

  step<void> run_next(fiber& one);
  step<void> put_surplus(fiber& one);
  bool crowded() const noexcept { return spawned_.full(); }
  // Whether the turn of the running fiber may pass to this one at once, in no queue.
  bool can_pass_turn() const noexcept;

  enum class leaving : std::uint8_t { parks, yields, passes };
  struct departure {
    fiber& me;
    leaving how;
    fiber* to;  // gets the turn, if it passes
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> self) const noexcept;
    void await_resume() const noexcept {}
  };

  // A fiber begins or ends here.
  machine::access count_life() noexcept { return machine_.write(thread_, counts_line_); }

  // Free fibers, the one that was given last first: context/stack_cache.hpp.
  step<fiber*> take_free();
  step<void> give_back(fiber& one);

  // --- for other workers ---

  step<void> wake_up(worker& by);
  step<bool> is_wanted(worker& by);  // whether a worker asks this one for a fork
  step<void> unwant(worker& by);

  std::uint64_t stolen = 0, searches = 0, naps = 0, switches = 0;

 private:
  struct arrival {
    worker& at;
    fiber& one;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> self) const noexcept;
    void await_resume() const noexcept {}
  };
  // What a watcher saw of the fibers behind the running one.
  struct sight {
    std::uint32_t tick = 0, taken = 0, ready = 0;
  };

  step<fiber*> next_after_departure();
  step<fiber*> take();
  step<fiber*> take_own(std::uint32_t tick);
  step<fiber*> take_ring(std::uint32_t tick);
  step<fiber*> empty_slot();
  step<fiber*> take_injected(bool tell);
  step<void> attend();
  step<void> put_last(fiber& one);

  step<fiber*> search();
  step<void> end_search();
  step<void> ask_for_forks();
  step<bool> work_somewhere();
  step<worker*> find_behind();
  step<bool> some_behind(worker& by);
  step<fiber*> steal_half(worker& thief, ring& from, ring& into);
  step<fiber*> steal_behind(worker& thief, sight then);
  step<sight> look(worker& by);
  step<bool> overdue(worker& by, sight then, picoseconds time);

  step<void> sleep();
  step<void> look_at_lives();
  step<bool> doze(picoseconds until);

  runtime& home_;
  machine& machine_;
  const unsigned index_;
  thread& thread_;
  const bool shared_;  // there are other workers
  std::minstd_rand random_;

  line turns_line_{part::turns};
  std::uint32_t tick_ = 0, attend_at_ = 61, streak_ = 0;
  std::uint32_t woken_at_ = ~std::uint32_t{0};  // the tick of the last wake-up by a publisher
  line counts_line_{part::counts};
  line slot_line_{part::slot};
  fiber* slot_ = nullptr;
  ring spawned_, ready_;
  line wanted_line_{part::wanted};
  bool wanted_ = false;
  line bed_line_{part::bed};
  bool woken_ = false;
  bool searching_ = false;

  std::coroutine_handle<> base_;  // where the loop goes on when a fiber leaves
  fiber* left_ = nullptr;         // the fiber that left last, and how
  leaving how_ = leaving::parks;
  fiber* passed_to_ = nullptr;

  fiber* free_ = nullptr;
  std::size_t free_count_ = 0;
  std::vector<fiber*> full_;
};

}  // namespace scaling
