// Deciding in a simulation: the seam between the scheduler and runtime/simulate.
//
// A scheduler with a decider has one worker and no kernel threads of its own: the simulating thread
// is its carrier. All its fibers are special (fiber.hpp). So a waker or a spawner comes to
// scheduler::run_special() and from there to ready(). The worker's slot and rings stay empty, and
// take() ends in take_special(), which asks choose(). So the ordinary path pays only for the test
// for special fibers, which it makes anyway.
#pragma once

#include <cstdint>

namespace hilo::sched {

class worker;
struct fiber;

class decider {
 public:
  // A fiber begins its life, and is not runnable yet. May throw.
  virtual void created(fiber& one) = 0;
  // A fiber was spawned, woken, or yields. The call may run other fibers before it returns.
  virtual void ready(fiber& one) noexcept = 0;
  // Chooses the next fiber: the running fiber parks, yields, ends or is at a decision point, or the
  // base runs. Null: no fiber can run.
  virtual fiber* choose(worker& here) noexcept = 0;
  // The running fiber is at a decision point.
  virtual void reached_point(worker& here) noexcept = 0;
  // The callable of a fiber has returned.
  virtual void returned(fiber& one) noexcept = 0;
  // No decisions until resume().
  virtual void pause() noexcept = 0;
  virtual void resume() noexcept = 0;
  // The time, in nanoseconds.
  virtual std::int64_t now() const noexcept = 0;

 protected:
  decider() = default;
  ~decider() = default;
};

// The decider of the calling fiber's runtime; null outside of simulations.
decider* current_decider() noexcept;

// The first time of a simulation. It is far from any real uptime, so that the two clocks can be
// told apart, and as far from the end of the count.
inline constexpr std::int64_t simulated_epoch = std::int64_t{1} << 60;

}  // namespace hilo::sched
