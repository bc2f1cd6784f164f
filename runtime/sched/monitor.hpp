// One kernel thread a runtime that looks after workers which do not switch.
//
// Every few milliseconds it reads each worker's count of switches. One that stands still while its
// worker runs a fiber is held up:
//   asleep in a system call (carrier_sight.hpp): after `stuck_after` an extra place is opened
//   beside it
//     (spares.hpp), and closed when it moves again;
//   computing: after `report_busy_after` its fiber is reported (busy_report.hpp).
// Where the kernel tells that by the CPU time that its thread used alone, a thread that computes
// and hardly gets a CPU is taken for one that sleeps. Then it has an extra place beside it for
// nothing, which does no harm. It is never taken for one that computes, nor gets a signal, while it
// sleeps. And a wheel whose timers are overdue, because its worker computes, is advanced from here.
// What is in the rings of such a worker others steal as always.
//
// It is started when a worker first runs a fiber, sleeps without end once all workers sleep and
// none has moved for a nap and no extra place is open, and is woken by the first that runs a fiber
// again. A store before a load on both sides:
//
//   monitor                                  worker
//   (D1) word_ := dozing     sc              (D3) leaves the sleepers    RMW, sc
//   (D2) read who sleeps     sc              (D4) read word_             sc
//
// Forbidden: (D2) sees it asleep and (D4) sees no dozing monitor; then nobody would look after it.
// All four are in one order: if (D2) comes before (D3), then (D1) before (D4).
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

#include "runtime/sched/carrier_sight.hpp"
#include "runtime/sys/futex.hpp"

namespace hilo::sched {

class scheduler;
class worker;
struct place;

class monitor {
 public:
  monitor(scheduler& watched, const runtime_options& options);

  // By a worker that is about to run a fiber from its base: somebody is to look after it.
  void running() noexcept {
    if (word_.load(std::memory_order_seq_cst) != awake) [[unlikely]]  // (D4)
      rouse();
  }

  // As scheduler::start_spare(), by the monitor's own thread: a new thread inherits namespaces,
  // rights and more of the thread that makes it, and no fiber changed those of the monitor. Where
  // the runtime has no monitor, or that is busy for longer than a second, the caller makes it.
  // Waits and does not park.
  bool start_spare(worker*& one) noexcept;

  void stop() noexcept;

 private:
  enum : std::uint32_t { absent, awake, dozing, asked, ended };

  struct order {
    worker*& one;
    bool made = false;
    sys::futex_word done{0};
  };
  void take_order() noexcept;

  // What was seen of a worker.
  struct record {
    std::uint32_t tick = 0;
    std::int64_t since = 0;  // when it was first seen at that tick
    place* extra = nullptr;  // opened beside it
    // CPU time that its thread had used when it was first seen standing still, and last.
    cpu_use at_first;
    cpu_use at_last;
    std::int64_t last_at = 0;
  };

  [[gnu::cold]] void rouse() noexcept;
  void watch() noexcept;
  // Of a worker: sleeps, or was relieved; runs the same fiber as before; has switched.
  enum class finding : std::uint8_t { settled, waits, moves };
  finding look(std::int64_t now) noexcept;
  finding look_at(worker& one, record& last, std::int64_t now) noexcept;
  std::int64_t next_timer() noexcept;
  // What a worker that stands still does; `exact`: whether beyond doubt. If it is not thorough, it
  // only notes what the next look needs.
  struct sight {
    carrier_state state = carrier_state::unknown;
    bool exact = false;
  };
  static sight see(worker& one, record& last, std::int64_t now, bool thorough) noexcept;
  void relieve(worker& one, record& last, bool exact) noexcept;

  scheduler& scheduler_;
  const std::int64_t stuck_after_;  // ns; 0: never
  const std::int64_t busy_after_;   // likewise
  const std::function<void(std::string_view)> report_;

  // States of the monitor; a futex. absent: nothing was to be watched yet; asked: awake, and there
  // is an order; ended: by stop().
  sys::futex_word word_;
  kernel::mutex starting_;
  thread thread_;  // guarded by starting_
  // The order for the monitor. A holder of starting_ stores it (release). One exchange or
  // compare-exchange (acquire) takes it (O): the monitor takes it and then releases `done`, or its
  // author takes it back.
  std::atomic<order*> order_{nullptr};

  // Its own.
  std::vector<record> seen_;
  unsigned open_ = 0;  // of extra places
  std::int64_t reported_at_ = 0;
};

}  // namespace hilo::sched
