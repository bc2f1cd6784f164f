// A simulation: the decider (sched/decider.hpp) that a seed drives.
//
// Decisions. A decision takes place when a fiber spawns or wakes another fiber, or comes to a
// decision point. Then the fiber joins the fibers that can run, and one of them is chosen, maybe
// itself. So a fiber may be set aside anywhere, also between linking itself into a wait list and
// parking. A wake that comes in this gap must not be lost, and must not make the fiber runnable
// twice. So the wake is kept in `woken`, and the park that follows finds the fiber runnable at
// once. Where a fiber is in each state, and what a wake does:
//
//   made      nowhere; its start makes it ready
//   ready     in ready_: new, woken, yielding, or set aside   a wake sets `woken`
//   running   the worker's                                    a wake sets `woken`
//   waiting   in a wait list or a timer, or ended             a wake makes it ready
//
// Time. Time stands still while fibers run. When no fiber can run, time jumps to the next timer. By
// chance time also jumps earlier, if the timer is no more than `delay` ahead. So deadlines pass
// both before and after their wakers come.
//
// Priorities. Each fiber draws a priority at its birth, and the fiber with the highest priority
// runs. By chance the running fiber falls below all others, at a rate that is drawn for each run:
// programs are of all lengths, and the bugs of long programs need few changes over a long time. A
// fiber that yields falls too; otherwise a loop that waits for another fiber would never end. So
// does a fiber that runs on alone for too long (`patience`).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "hilo/simulate.hpp"

#include "runtime/context/guard_report.hpp"
#include "runtime/sched/decider.hpp"
#include "runtime/sched/scheduler.hpp"
#include "runtime/sched/worker.hpp"
#include "runtime/simulate/random.hpp"

namespace hilo::simulated {

class simulation final : public sched::decider {
 public:
  // Called on the thread that simulates, as all other functions here.
  explicit simulation(const simulation_options& options);
  ~simulation();
  simulation(const simulation&) = delete;
  simulation& operator=(const simulation&) = delete;

  // Runs from the beginning. Throws simulation_failure; after that the simulation must not be used
  // again. `site`: the place of the call.
  simulation_report run(std::uint64_t seed, const std::function<void()>& f, const void* site);

  std::uint64_t seed() const noexcept { return seed_; }
  std::uint64_t decisions() const noexcept { return decisions_; }

  void created(sched::fiber& one) override;
  void ready(sched::fiber& one) noexcept override;
  sched::fiber* choose(sched::worker& here) noexcept override;
  void reached_point(sched::worker& here) noexcept override;
  void returned(sched::fiber& one) noexcept override;
  void pause() noexcept override { ++paused_; }
  void resume() noexcept override { --paused_; }
  std::int64_t now() const noexcept override { return now_; }

 private:
  enum class state : std::uint8_t { made, ready, running, waiting };

  // A fiber of this run. Its index is its id less one.
  struct record {
    sched::fiber* who;
    std::uint64_t rank;  // in the priority schedule; the highest runs
    simulation::state at = state::made;
    bool woken = false;
  };

  void restart(std::uint64_t seed);
  record& record_of(const sched::fiber& one) noexcept { return records_[one.id - 1]; }
  void enqueue(record& one) noexcept;
  bool lower_rank(std::size_t a, std::size_t b) const noexcept {
    return records_[a].rank < records_[b].rank;
  }
  sched::fiber* dequeue() noexcept;
  void lower(record& one) noexcept { one.rank = --lowest_; }
  void pass_time() noexcept;
  bool endless() const noexcept { return decisions_ >= options_.most_decisions; }
  void note(std::uint64_t what) noexcept {
    trace_ = random_source::mix(trace_ ^ (what * 0x9e3779b97f4a7c15U));
  }
  simulation_report report() const noexcept;
  std::vector<waiting_fiber> waiting() const;
  [[noreturn]] void fail(const std::string& why, std::exception_ptr cause);

  const simulation_options options_;
  const context::alternate_stack signals_;
  std::unique_ptr<sched::scheduler> scheduler_;
  sched::worker& worker_;

  // State of this run.
  std::uint64_t seed_ = 0;
  random_source chance_{0};
  bool by_priority_ = false;
  unsigned change_bits_ = 0;  // a change of priorities comes once in 2^this points
  std::int64_t now_ = sched::simulated_epoch;
  std::uint64_t decisions_ = 0;
  std::uint64_t trace_ = 0;
  std::uint64_t lowest_ = 0;  // the last rank that lower() gave
  std::uint32_t alone_ = 0;   // points that the running fiber passed since another fiber ran
  std::uint32_t paused_ = 0;  // no decisions: within the decider, or an `undecided`
  std::vector<record> records_;
  std::vector<std::size_t> ready_;  // indices of records; by priority a heap, the highest first
};

}  // namespace hilo::simulated
