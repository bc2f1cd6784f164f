// Simulation: runs concurrent code again and again, each time in another order. A seed decides the
// order, and if a run fails, its seed is reported. For tests of code that uses fibers; the library
// is the ordinary one, so nothing has to be recompiled.
//
//   hilo::explore({.seeds = 10'000}, [] {
//     account a, b;
//     auto there = hilo::spawn([&] { transfer(a, b, 10); });
//     transfer(b, a, 5);
//     there.join();
//     check(a.balance() + b.balance() == 0);
//   });
//
// The fibers of a simulation run on the calling thread, one at a time. At each call of hilo (spawn,
// yield, wait, wake, lock, send) another fiber may run next. Time is virtual: it stands still while
// fibers run, and jumps forward when all fibers wait, so a day of sleeps takes milliseconds. The
// same seed gives the same run, decision by decision, if the code does not depend on addresses,
// real time or real randomness. If no fiber can ever run again, that is a deadlock, and the failure
// names every fiber.
//
// A call that needs the kernel or another thread ends the program with a message: hilo::blocking,
// I/O, a wait until a time of a real clock, a wake by a thread outside. Blocking calls that hilo
// does not see block the whole simulation. docs/simulation.md has more.
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "hilo/detail/api.hpp"
#include "hilo/detail/deadline.hpp"
#include "hilo/detail/decision.hpp"
#include "hilo/fiber.hpp"

namespace hilo {

// --- For the code under test --------------------------------------------------------------------

// The time that all waits of hilo use: that of std::chrono::steady_clock; in a simulation, the
// virtual time. Callable from: anywhere except a signal handler.
inline std::chrono::steady_clock::time_point now() noexcept {
  return std::chrono::steady_clock::time_point(std::chrono::nanoseconds(detail::monotonic_now()));
}

// Marks a place where another fiber may run next in a simulation. For code that synchronises by
// itself, with std::atomic, and that a simulation would otherwise run as one step. Outside of a
// simulation it does nothing.
inline void simulation_point() noexcept {
  detail::decision_point();
}

// --- For the test -------------------------------------------------------------------------------

// How the next fiber is chosen among those that can run.
enum class schedule : std::uint8_t {
  by_seed,   // even seeds uniform, odd seeds by priority
  uniform,   // each fiber is equally likely
  priority,  // always the highest of random priorities; now and then the running one becomes the
             // lowest. Finds faults that need a few switches at the right places (after PCT:
             // Burckhardt et al., ASPLOS 2010).
};

struct simulation_options {
  schedule order = schedule::by_seed;
  // How long, in virtual time, a fiber that can run may be delayed. Timers that are due within this
  // time may fire before the fiber runs, as on a busy machine. 0: time passes only when no fiber
  // can run.
  std::chrono::nanoseconds delay = std::chrono::milliseconds(1);
  // After this many decisions a run counts as endless.
  std::uint64_t most_decisions = 1'000'000;
  // As runtime_options::stack_size.
  std::size_t stack_size = 256 * 1024;
};

// The summary of a run.
struct simulation_report {
  std::uint64_t seed = 0;
  std::uint64_t trace = 0;      // a hash of all decisions: equal traces are equal runs
  std::uint64_t decisions = 0;  // how often a fiber was chosen
  std::uint64_t fibers = 0;
  std::chrono::nanoseconds elapsed{0};  // virtual time
};

// A fiber that waits in a run that cannot go on.
struct waiting_fiber {
  fiber_id id;
  std::string name;        // spawn_options::name
  std::string waits_for;   // "mutex", "channel receive", "join", ...
  std::string spawned_at;  // module+0xoffset, for addr2line(1)
};

// Why a run failed. what() tells all of it, with the seed.
class HILO_API simulation_failure : public std::runtime_error {
 public:
  simulation_failure(const std::string& what, const simulation_report& run,
                     std::exception_ptr cause, std::vector<waiting_fiber> waiting);
  ~simulation_failure() override;

  simulation_report run;
  std::exception_ptr cause;            // the exception of the function; null: it never ended
  std::vector<waiting_fiber> waiting;  // after a deadlock: all fibers that are left
};

struct explore_options {
  std::uint64_t seeds = 1000;    // how many runs
  std::uint64_t first_seed = 1;  // the seeds are this one and the following ones
  simulation_options each{};     // the options of each run
};

struct exploration {
  std::uint64_t runs = 0;
  std::uint64_t decisions = 0;  // of all runs
  std::uint64_t trace = 0;      // a hash of all their traces
};

namespace detail {
HILO_API simulation_report simulate_once(const simulation_options& options, std::uint64_t seed,
                                         const std::function<void()>& f);
HILO_API exploration explore_seeds(const explore_options& options, const std::function<void()>& f);
}  // namespace detail

// Runs f() as the first fiber of a simulation that `seed` decides, until this fiber and all other
// fibers of the simulation have ended.
// Callable from: a kernel thread that runs no fiber; it becomes the carrier. Errors:
// simulation_failure if f throws, if no fiber can run and no timer is set, or if the run does not
// end. Fibers that are left then never continue, and the memory and objects that they own are not
// freed. std::system_error if stacks are not available. A failure that ends the program (an abort,
// a fault, an exception in a detached fiber) is reported with its seed.
template <class F>
requires std::invocable<F&> simulation_report simulate(std::uint64_t seed, F&& f) {
  return detail::simulate_once({}, seed, [&f] { (void)std::invoke(f); });
}
template <class F>
requires std::invocable<F&> simulation_report simulate(const simulation_options& options,
                                                       std::uint64_t seed, F&& f) {
  return detail::simulate_once(options, seed, [&f] { (void)std::invoke(f); });
}

// Simulates f under many seeds; if the environment has HILO_SEED, under that seed only. Stops at
// the first failure: prints it to standard error, with the seed, and throws it. Otherwise as
// simulate.
template <class F>
requires std::invocable<F&> exploration explore(const explore_options& options, F&& f) {
  return detail::explore_seeds(options, [&f] { (void)std::invoke(f); });
}

}  // namespace hilo
