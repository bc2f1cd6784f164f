// The runtime: the carriers (kernel threads) that run fibers. Most programs have one runtime and
// start it with run(). A library may have a second one of its own.
//
//   int main() {
//     return hilo::run([] { return hilo::spawn([] { return 0; }).join(); });
//   }
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <utility>

#include "hilo/detail/api.hpp"
#include "hilo/fiber.hpp"

namespace hilo {

struct runtime_metrics;

// How many carriers can run at once: the number of CPUs in the caller's affinity mask
// (sched_getaffinity(2)), or the cgroup's cpu.max rounded up if that is less; at least 1.
HILO_API unsigned available_cpus() noexcept;

// How fibers wait for descriptors (hilo/io.hpp).
enum class io_driver : std::uint8_t {
  any,    // HILO_IO decides, uring or epoll; if it is not set, the ring if the kernel allows it
  uring,  // io_uring, Linux 6.0 or newer; containers and seccomp filters often refuse it
  epoll,  // file calls then go to the carriers of hilo::blocking
};

// The enumerator's name, for messages.
constexpr const char* to_string(io_driver value) noexcept {
  switch (value) {
    case io_driver::any:
      return "any";
    case io_driver::uring:
      return "uring";
    case io_driver::epoll:
      return "epoll";
  }
  return "no driver";
}

// What happens when nothing can run again: all fibers of the process are parked, and no timer, no
// I/O and no other thread is left that could wake one. docs/debugging.md says what is looked at.
enum class on_deadlock : std::uint8_t {
  abort,   // a report on standard error that names the fibers and their cycle, then abort(3)
  report,  // the report alone
  off,     // nothing
};

// The enumerator's name, as in HILO_DEADLOCK.
constexpr const char* to_string(on_deadlock value) noexcept {
  switch (value) {
    case on_deadlock::abort:
      return "abort";
    case on_deadlock::report:
      return "report";
    case on_deadlock::off:
      return "off";
  }
  return "nothing";
}

// How a runtime is made; every member has a default.
struct runtime_options {
  // Kernel threads that run fibers, 1 to 1024.
  unsigned carriers = available_cpus();
  // Bytes of stack for a fiber whose options give no size, rounded up to a power of two, 16 KiB to
  // 1 GiB. An untouched stack costs addresses, not memory.
  std::size_t stack_size = 256 * 1024;
  // Bytes of addresses to reserve for the stacks of one size, including a page for each guard; the
  // further pages of a larger guard are added to this. 0: as much as RLIMIT_AS allows, at most 1
  // TiB (3.4 million fibers of the default size).
  std::size_t stack_reserve = 0;
  // Bytes below each stack that fault when touched, rounded up to pages, up to 1 GiB; 0 for none. A
  // function with a frame larger than this can step over the guard unless it is compiled with
  // -fstack-clash-protection. A guard costs addresses, not memory.
  std::size_t guard_size = 64 * 1024;
  // Kernels before Linux 6.13 need a mapping for each guard, and vm.max_map_count limits the number
  // of mappings. When that limit is reached: true lets further fibers run without a guard below
  // their stack, false makes spawn fail. A fiber without a guard that overflows its stack writes
  // into the stack of another fiber.
  bool unguarded_stacks = false;
  // For fibers whose spawn_options.tls is inherit.
  hilo::tls tls = hilo::tls::carrier;
  // As spawn_options.paint_stack, for all fibers.
  bool paint_stacks = false;
  // If uring is asked for, here or in HILO_IO, and the kernel offers no ring, starting the runtime
  // fails.
  io_driver io = io_driver::any;

  // How many additional kernel threads may replace carriers that are held up in hilo::blocking or
  // in a system call; 1 to 32768. They are started when needed, and end after 10 s without use.
  // When all are in use, further hilo::blocking calls wait for a free one in order of arrival,
  // while the other fibers run on. Choose a large number if such calls wait for each other. A
  // carrier that pinned fibers keep busy is not counted.
  unsigned spare_carriers = 512;
  // How long a fiber may stay in its own system call, outside hilo::blocking, before another
  // carrier is started for the fibers that wait behind it. 0: no other carrier is started, and they
  // wait.
  std::chrono::milliseconds stuck_after{20};
  // How long a fiber may compute without a call that parks or yields before it is reported, because
  // other fibers may wait behind it. At most one report a second. 0: never.
  std::chrono::milliseconds report_busy_after{2000};
  // Called with such a report, one line of text, in a kernel thread of the runtime; must not throw.
  // By default the report goes to standard error.
  std::function<void(std::string_view)> report_busy{};
  // What happens at a deadlock; HILO_DEADLOCK (abort, report or off) overrides it. If a process has
  // several runtimes, the most careful one decides. A runtime whose stuck_after and
  // report_busy_after are both 0 does not look.
  on_deadlock deadlock = on_deadlock::abort;
  // Warns on standard error of fibers that wait for each other in a cycle of mutexes and joins
  // though others still run, and of a fiber that parks while it holds a pthread mutex
  // (docs/debugging.md says what the second needs). The first costs a look at all fibers once a
  // second. HILO_WARN=locks has the same effect.
  bool warn_about_locks = false;
  // Whether the time from the wake of a fiber to its run is measured, for hilo/metrics.hpp. That
  // makes each wake and each switch slower: two looks at the clock, some 50 ns. If it is false,
  // nothing is.
  bool measure_wakeups = false;
  // A signal that has a dump of all fibers written to standard error (hilo/dump.hpp), such as
  // SIGUSR1; 0: none. HILO_DUMP_SIGNAL (a number, or a name such as USR1) overrides it. The program
  // must not handle that signal itself. Where a fiber has not run yet, it has no effect.
  int dump_signal = 0;
};

class runtime {
 public:
  // Starts the carriers. Errors: std::system_error if an option is out of range, or if threads or
  // addresses are not available; std::bad_alloc if there is no memory. Then nothing is left behind.
  HILO_API explicit runtime(const runtime_options& options = {});

  // Waits until every fiber of this runtime has ended, then ends the carriers. The fibers are not
  // asked to stop: if they may wait for ever, call stop() before.
  // Parks: the calling kernel thread sleeps. Callable from: outside this runtime's fibers.
  // Errors: aborts if a handle of one of its fibers is neither joined nor detached.
  HILO_API ~runtime();
  runtime(const runtime&) = delete;
  runtime& operator=(const runtime&) = delete;

  // Starts a fiber of this runtime; otherwise as hilo::spawn.
  // Callable from: any fiber or thread.
  template <class F, class... A>
  requires detail::spawnable<F, A...>
  [[gnu::always_inline]] auto spawn(F&& callable, A&&... arguments) {
    return detail::spawn_on(scheduler_.get(), nullptr, nullptr, std::forward<F>(callable),
                            std::forward<A>(arguments)...);
  }
  template <class F, class... A>
  [[gnu::always_inline]] auto spawn(const spawn_options& options, F&& callable, A&&... arguments) {
    return detail::spawn_on(scheduler_.get(), &options, nullptr, std::forward<F>(callable),
                            std::forward<A>(arguments)...);
  }

  // Runs callable() as a fiber of this runtime and waits for it; returns its value or rethrows its
  // exception. Callable from: any fiber or thread.
  template <class F>
  [[gnu::always_inline]] auto run(F&& callable) {
    return spawn(spawn_options{.name = "main"}, std::forward<F>(callable)).join();
  }

  // Asks every living fiber of this runtime to stop, also detached fibers, as fiber::request_stop()
  // does. Fibers that are spawned later are not asked. Stop callbacks run in the caller. Parks:
  // never. Callable from: any fiber or thread; a fiber of this runtime asks itself too. Errors:
  // std::bad_alloc if there is no memory for a fiber's stop state; then some fibers are not asked.
  HILO_API void request_stop();

  // Asks as request_stop() does, and repeats that until all fibers have ended or the time is over,
  // so fibers that are spawned meanwhile are asked too. Returns how many fibers still live: they
  // compute, are inside hilo::blocking or shielded(), or wait in calls that no stop request ends.
  // The runtime goes on as before, and its destructor waits for these fibers. Parks: the calling
  // kernel thread sleeps. Callable from: outside this runtime's fibers, else it aborts. Errors: as
  // request_stop().
  template <class R, class P>
  [[nodiscard]] std::size_t stop(std::chrono::duration<R, P> patience) {
    return stop_until(detail::deadline_after(patience));
  }

  HILO_API unsigned carriers() const noexcept;

  // What this runtime has done so far (hilo/metrics.hpp). Parks: never. Callable from: any fiber or
  // thread. Errors: std::bad_alloc.
  HILO_API runtime_metrics metrics() const;

 private:
  HILO_API std::size_t stop_until(std::int64_t deadline);

  struct deleter {
    HILO_API void operator()(sched::scheduler* one) const noexcept;
  };
  std::unique_ptr<sched::scheduler, deleter> scheduler_;
};

// Starts a runtime, runs callable() as its first fiber, waits until this fiber and all other fibers
// of the runtime have ended, and ends the runtime. Returns the callable's value or rethrows its
// exception. Callable from: a kernel thread; in a fiber of another runtime, the call holds up the
// carrier while it waits for the remaining fibers.
template <class F>
[[gnu::always_inline]] inline auto run(const runtime_options& options, F&& callable) {
  return runtime(options).run(std::forward<F>(callable));
}
template <class F>
requires detail::spawnable<F>
[[gnu::always_inline]] inline auto run(F&& callable) {
  return run(runtime_options{}, std::forward<F>(callable));
}

}  // namespace hilo
