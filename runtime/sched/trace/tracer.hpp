// What one worker does for a trace (hilo/trace.hpp), and the wishes that it looks for.
//
// Nothing of this is on the paths of switches, spawns and wakes. While a worker traces, the quick
// paths fail by tests that they make anyway:
//
//   switch   the worker attends at each of its ticks (attend.cpp), so take_quickly() and
//            pass_turn_to() find that it must attend, and the long way records
//   spawn    the worker has no number left for a fiber (worker::more_ids), so create_fiber() goes
//            the long way, which records
//   wake     a fiber that ran on a worker that traces is special, so its waker comes to
//            scheduler::run_special(), which records
//
// So a wake is not recorded if its fiber has waited since before the trace began, or if its waker
// is not a worker. When nothing is traced any more, the waker of such a fiber makes it plain again.
//
// A worker looks for wishes where it attends, at most run_queue::poll_period switches apart, and
// before its carrier runs a fiber after a search.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "runtime/sched/trace/probes.hpp"
#include "runtime/sched/trace/trace_clock.hpp"
#include "runtime/sched/trace/trace_ring.hpp"

namespace hilo::sched {

struct fiber;

// relaxed: a worker looks again.
struct trace_wishes {
  // hilo::trace is on, in this process.
  std::atomic<std::uint32_t> inside{0};
  // The room of rings that are not made yet, in events.
  std::atomic<std::uint32_t> room{std::uint32_t{1} << 16};
  // `hilo trace` reads until this time of CLOCK_MONOTONIC in ns, and writes a later one from
  // outside while it goes on. So tracing ends by itself if the command is killed. An aligned word
  // is copied whole by the kernel. 0: it does not read.
  std::atomic<std::int64_t> outside_until{0};

  // And a tool may look at the probes (probes.hpp).
  bool any() const noexcept {
    if (is_probed()) [[unlikely]]
      return true;
    return (inside.load(std::memory_order_relaxed) |
            static_cast<std::uint64_t>(outside_until.load(std::memory_order_relaxed))) != 0;
  }
  // Forgets the wish of a reader that is gone.
  void expire(std::int64_t now) noexcept;
};
extern constinit trace_wishes trace_wanted;

class tracer {
 public:
  bool on() const noexcept { return on_; }
  // Whether the worker must begin or end to trace.
  bool must_turn() const noexcept { return trace_wanted.any() != on_; }
  // Does so. False: it stays as it is, because the reader is gone or there is no memory.
  bool turn() noexcept;
  // For the worker, once in a while.
  void look_at_time() noexcept { trace_wanted.expire(clock_.last()); }

  // The ring, to any thread. Null: the worker never traced. (TR) acquire: pairs with the release in
  // turn(); publishes the ring.
  const trace_ring* ring() const noexcept { return shown_.load(std::memory_order_acquire); }

  // The kernel thread that traced last; 0: none. relaxed: a hint for readers.
  int thread() const noexcept { return thread_.load(std::memory_order_relaxed); }

  // --- events; for the worker, and only if it is on() ---

  // `one`, which this worker is about to run, is special from now on.
  void runs(fiber& one, bool long_after) noexcept;
  // The fiber that runs here leaves its carrier.
  void leaves(trace_what how, const char* reason = nullptr) noexcept;
  void spawned(const fiber& one) noexcept;
  void wakes(const fiber& one) noexcept;
  void steals(const fiber& one, std::uint32_t from) noexcept;
  // For events with a number. `one`: whose; null: not known.
  void note(trace_what what, const fiber* one, std::uint32_t number, std::uint64_t other = 0,
            std::uint8_t call = 0) noexcept;

 private:
  trace_event now(trace_what what, std::uint64_t fiber) noexcept;
  void record(const trace_event& one) noexcept;

  bool on_ = false;
  trace_clock clock_;
  std::uint64_t running_ = 0;  // the number of the fiber that runs here; 0: none, or not known
  std::unique_ptr<trace_ring> ring_;
  std::atomic<trace_ring*> shown_{nullptr};  // (TR)
  std::atomic<int> thread_{0};
};

// runtime/tool/trace.cpp. Called when a runtime begins: heeds HILO_TRACE. Throws std::system_error.
void begin_trace_of_environment();
// Called when a runtime ends, whose workers have ended: keeps the events for hilo::trace::stop.
class scheduler;
void keep_trace_of(scheduler& one) noexcept;
// Called in the child of a fork, whose parent goes on with the trace.
void forget_trace() noexcept;

}  // namespace hilo::sched
