// A runtime of hilo on a simulated machine: its workers, what they share, and what happened.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <vector>

#include "bench/scaling/costs.hpp"
#include "bench/scaling/idle.hpp"
#include "bench/scaling/injector.hpp"
#include "bench/scaling/machine.hpp"
#include "bench/scaling/worker.hpp"

namespace scaling {

// The costs in picoseconds, of those that the workers and fibers spend.
struct prices {
  explicit prices(const costs& all) noexcept;
  picoseconds locked, relax, clock, look, system_call, futex_wake, kernel_switch, membarrier;
  picoseconds spawn, life, pick, swap, join, park, channel, section, fork;
};

class runtime {
 public:
  runtime(const costs& inputs, unsigned carriers, unsigned cpus, std::uint32_t seed);

  // Runs a fiber that a workload makes on the first worker, after all others have fallen asleep;
  // until stop(). False: all workers sleep although the fiber has not ended.
  bool run(const std::function<step<void>(fiber&)>& first);
  // The first fiber begins what is measured, and ends it.
  void begin_measuring(fiber& me);
  void end_measuring(fiber& me);
  bool measuring_ended() const noexcept { return ended_at_ >= 0; }

  machine& on() noexcept { return machine_; }
  const prices& price() const noexcept { return prices_; }
  unsigned carriers() const noexcept { return carriers_; }
  bool shared() const noexcept { return carriers_ > 1; }
  worker& at(std::size_t index) noexcept { return workers_[index]; }
  idle_workers& idle() noexcept { return idle_; }
  injector& injected() noexcept { return injected_; }
  std::uint32_t seed() const noexcept { return seed_; }

  // A fiber that is new to the program.
  fiber& open() { return fibers_.emplace_back(); }
  std::size_t fibers() const noexcept { return fibers_.size(); }
  // Chains of free fibers that workers exchange.
  step<fiber*> take_chain(worker& by);
  step<void> give_chain(worker& by, fiber* first);

  std::uint64_t begun = 0, ended = 0;  // lives of fibers

  // --- of the time that was measured ---

  picoseconds took() const noexcept { return ended_at_ - began_at_; }
  double share(doing what) const noexcept;  // of all carriers' time
  std::uint64_t sum(std::uint64_t worker::*count) const noexcept;

 private:
  step<void> begin_first(fiber& me, const std::function<step<void>(fiber&)>& first);

  const prices prices_;
  const unsigned carriers_;
  const std::uint32_t seed_;
  machine machine_;
  idle_workers idle_;
  injector injected_;
  line pool_line_{part::pool};
  spin_lock pool_lock_{pool_line_};
  std::vector<fiber*> chains_;
  std::deque<fiber> fibers_;
  std::deque<worker> workers_;
  std::vector<step<void>> loops_;
  picoseconds began_at_ = 0, ended_at_ = -1;
};

}  // namespace scaling
