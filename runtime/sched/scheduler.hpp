// The scheduler: what the workers of one runtime share.
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
#include "runtime/sched/fiber.hpp"
#include "runtime/sched/idle.hpp"
#include "runtime/sched/injector.hpp"
#include "runtime/sys/futex.hpp"

namespace hilo::sched {

class worker;

class scheduler {
 public:
  // Stack sizes are powers of two: class 0 is 16 KiB, the last one 1 GiB.
  static constexpr unsigned size_classes = 17;
  static constexpr std::size_t smallest_stack = 16 * 1024;
  static constexpr unsigned most_carriers = 1024;

  // Checks the options, reserves stacks and starts the carriers. Throws std::system_error.
  explicit scheduler(const runtime_options& options);
  // Waits for the last fiber, then stops.
  ~scheduler();
  scheduler(const scheduler&) = delete;
  scheduler& operator=(const scheduler&) = delete;

  std::size_t workers() const noexcept { return workers_.size(); }
  worker& at(std::size_t index) noexcept { return *workers_[index]; }
  idle_workers& idle() noexcept { return idle_; }

  // Makes a fiber runnable from one of its workers.
  void inject(fiber& one) noexcept {
    injector_.push(one);  // (P1)
    idle_.published();
  }

  // The same from a thread that is none of its carriers. The fiber may run, and be the last one,
  // before published() is through with this object; the guest count keeps the destructor waiting.
  void inject_as_guest(fiber& one) noexcept {
    guests_.fetch_add(1, std::memory_order_relaxed);  // ordered before the end by the push
    inject(one);
    guests_.fetch_sub(1, std::memory_order_release);  // (G) pairs with the destructor's acquire
  }
  std::size_t injected() const noexcept { return injector_.size(); }
  injector& injected_fibers() noexcept { return injector_; }

  // The class of a stack size in bytes. Throws for a size out of range.
  static unsigned size_class_of(std::size_t bytes);
  unsigned default_class() const noexcept { return default_class_; }

  // What is asked of fibers spawned without options, and with these.
  fiber_extras default_extras() const noexcept { return default_extras_; }
  fiber_extras extras_of(const spawn_options& options) const noexcept {
    return {.own_block =
                options.tls == tls::inherit ? default_extras_.own_block : options.tls == tls::own,
            .fp_control = options.keep_fp_control,
            .paint = default_extras_.paint || options.paint_stack};
  }

  // The stacks of a class; made at first use. Throws std::system_error.
  context::stack_pool& pool(unsigned size_class);

  // Gives the memory of stacks that nobody needed for a while back, some at a time. True: there is
  // more to do at once. Called by workers about to sleep.
  bool tidy_stacks(std::int64_t now) noexcept;
  // Whether a later tidy_stacks() may find some. A hint.
  bool spare_stacks() const noexcept;
  static constexpr std::int64_t tidy_period = 1'000'000'000;  // ns

  // Spawns and hand-backs outside the workers, which count their own; see all_ended().
  void count_guest_spawn() noexcept { guest_spawned_.fetch_add(1, std::memory_order_release); }
  void count_guest_end() noexcept { guest_ended_.fetch_add(1, std::memory_order_release); }
  void count_guest_return() noexcept { guest_returned_.fetch_add(1, std::memory_order_release); }

  // Numbers of fibers that guests spawn; the workers' start at workers().
  std::uint64_t next_guest_id() noexcept {
    return guest_ids_.fetch_add(1, std::memory_order_relaxed) * (workers() + 1) + 1;
  }

  // Whether no fiber is alive. Exact once no fiber and no foreign thread spawns any more.
  bool all_ended() const noexcept;

  // A worker found nothing to do: if somebody waits for the end of all fibers, looks whether it
  // came.
  void idle_reached() noexcept;

  // True once the carriers shall end. acquire: pairs with the release in stop().
  bool stopping() const noexcept { return stopping_.load(std::memory_order_acquire); }

 private:
  void start_carriers();
  void wait_for_fibers() noexcept;
  void stop() noexcept;

  std::size_t stack_reserve_;
  unsigned default_class_;
  fiber_extras default_extras_;
  bool unguarded_stacks_;

  // Pools by class. Made under pools_lock_, published by release, read by acquire (label C).
  kernel::mutex pools_lock_;
  std::array<std::atomic<context::stack_pool*>, size_classes> pools_{};

  std::atomic<bool> tidying_{false};        // one worker at a time; acquire and release (Y)
  std::atomic<std::int64_t> tidied_at_{0};  // written by that one; relaxed, only a time

  std::vector<std::unique_ptr<worker>> workers_;  // constant once the carriers run
  injector injector_;
  idle_workers idle_;

  std::uint64_t spawned() const noexcept;
  std::uint64_t returned() const noexcept;

  std::atomic<std::uint64_t> guest_spawned_{0};
  std::atomic<std::uint64_t> guest_ended_{0};
  std::atomic<std::uint64_t> guest_returned_{0};
  std::atomic<std::uint64_t> guest_ids_{0};
  std::atomic<std::uint32_t> guests_{0};  // threads inside inject_as_guest()
  std::atomic<bool> stopping_{false};
  // 0 nobody waits for the last fiber, 1 somebody does, 2 it ended (a futex). seq_cst: see
  // idle_reached().
  sys::futex_word draining_{0};

  std::vector<thread> carriers_;
};

}  // namespace hilo::sched
