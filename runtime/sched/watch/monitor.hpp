// One kernel thread per runtime that looks after workers that do not switch.
//
// Every few milliseconds it reads each worker's count of switches. If the count stands still while
// the worker runs a fiber, the worker is held up:
//   asleep in a system call (carrier_sight.hpp): after `stuck_after` an extra place is opened
//     beside the worker (spares.hpp), and closed when the worker moves again;
//   computing: after `report_busy_after` its fiber is reported (busy_report.hpp).
// Where the kernel shows only the thread's CPU time, a thread that computes but hardly gets a CPU
// looks like a sleeping one. Then an extra place is beside it for nothing, which does no harm. The
// reverse does not happen: a sleeping thread is never taken for a computing one, and gets no
// signal. The monitor also advances a wheel whose timers are overdue because its worker computes.
// Other workers steal from the rings of such a worker as always.
//
// The monitor is started when a worker first runs a fiber. Once all workers sleep, none has moved
// for a nap, and no extra place is open, it sleeps; after a while it looks for a deadlock
// (deadlock.hpp), and if fibers only wait for events it then sleeps without end. The first worker
// that runs a fiber again wakes it. A store comes before a load on both sides:
//
//   monitor                                  worker
//   (D1) word_ := dozing     sc              (D3) leaves the sleepers    RMW, sc
//   (D2) read who sleeps     sc              (D4) read word_             sc
//
// Forbidden: (D2) sees the worker asleep and (D4) sees no dozing monitor; then the worker would run
// unwatched. All four are in one order: if (D2) comes before (D3), then (D1) comes before (D4).
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "hilo/kernel/mutex.hpp"
#include "hilo/runtime.hpp"
#include "hilo/thread.hpp"

#include "runtime/sched/watch/carrier_sight.hpp"
#include "runtime/sched/watch/deadlock.hpp"
#include "runtime/sched/watch/lock_warnings.hpp"
#include "runtime/sys/futex.hpp"

namespace hilo::sched {

class scheduler;
class worker;
struct place;

class monitor {
 public:
  // `dumps`: it may be asked for a dump.
  monitor(scheduler& watched, const runtime_options& options, on_deadlock at_deadlock, bool dumps);

  // Called by a worker that is about to run a fiber from its base: the monitor must watch it.
  void running() noexcept {
    if (word_.load(std::memory_order_seq_cst) != awake) [[unlikely]]  // (D4)
      rouse();
  }

  // As scheduler::start_spare(), but in the monitor's own thread. A new thread inherits namespaces,
  // rights and more from its maker, and no fiber changes those of the monitor. If the runtime has
  // no monitor, or the monitor is busy for longer than a second, the caller makes the spare. Waits
  // and does not park.
  bool start_spare(worker*& one) noexcept;

  // Has the monitor write a dump to standard error. False: it has no thread. Async-signal-safe.
  bool ask_for_dump() noexcept;

  void stop() noexcept;

  // The number of its kernel thread; 0: it has none. relaxed: only a number.
  int thread_id() const noexcept { return tid_.load(std::memory_order_relaxed); }

 private:
  enum : std::uint32_t { absent, awake, dozing, asked, ended };

  struct order {
    worker*& one;
    bool made = false;
    sys::futex_word done{0};
  };
  void take_order() noexcept;

  // The last look at a worker.
  struct record {
    std::uint32_t tick = 0;
    std::int64_t since = 0;  // when it was first seen at that tick
    // Since when it may compute: from `since`, or from the last look that found that it waits.
    std::int64_t may_compute_since = 0;
    place* extra = nullptr;  // the extra place opened beside it
    // CPU time of its thread: when it was first seen standing still, and at the last look.
    cpu_use at_first;
    cpu_use at_last;
    std::int64_t last_at = 0;
  };

  [[gnu::cold]] void rouse() noexcept;
  void watch() noexcept;
  void doze() noexcept;
  // State of a worker: it sleeps or was relieved; it runs the same fiber as before; it has
  // switched.
  enum class finding : std::uint8_t { settled, waits, moves };
  finding look(std::int64_t now) noexcept;
  finding look_at(worker& one, record& last, std::int64_t now) noexcept;
  std::int64_t next_timer() noexcept;
  // State of a worker that stands still; `exact`: whether it is beyond doubt; `idle`: whether its
  // thread used little CPU time since the last look. If `thorough` is false, only notes the values
  // that the next look needs.
  struct sight {
    carrier_state state = carrier_state::unknown;
    bool exact = false;
    bool idle = false;
  };
  static sight see(worker& one, record& last, std::int64_t now, bool thorough) noexcept;
  void relieve(worker& one, record& last, bool exact) noexcept;

  scheduler& scheduler_;
  const std::int64_t stuck_after_;  // ns; 0: never
  const std::int64_t busy_after_;   // likewise
  const std::function<void(std::string_view)> report_;

  // States of the monitor; a futex. absent: there was nothing to watch yet. asked: awake, and there
  // is an order, or a dump is wanted. ended: by stop().
  sys::futex_word word_;
  kernel::mutex starting_;
  thread thread_;  // guarded by starting_
  std::atomic<int> tid_{0};
  // An order to the monitor. Written with release by the holder of starting_. Taken with acquire,
  // by one exchange or compare-exchange (O): either by the monitor, which then releases `done`, or
  // back by the thread that gave the order.
  std::atomic<order*> order_{nullptr};

  // release: pairs with the exchange of the monitor; publishes nothing but itself.
  std::atomic<bool> dump_wanted_{false};

  // Used by the monitor's thread only.
  std::vector<record> seen_;
  unsigned open_ = 0;  // number of extra places that are open
  deadlock_schedule deadlocks_;
  lock_cycle_schedule lock_cycles_;
  std::int64_t reported_at_ = 0;
};

}  // namespace hilo::sched
