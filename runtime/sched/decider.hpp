// Who decides in a simulation: the seam between the scheduler and runtime/simulate.
//
// A scheduler with a decider has one worker and no kernel threads of its own: the thread that
// simulates is its carrier. All its fibers are special (fiber.hpp), so whoever makes one runnable
// comes to scheduler::run_special() and from there to ready(); the worker's slot and rings stay
// empty, and take() ends in take_special(), which asks choose(). So the ordinary path knows nothing
// of simulations but the test for special fibers that it makes anyhow.
#pragma once

#include <cstdint>

namespace hilo::sched {

class worker;
struct fiber;

class decider {
 public:
  // A fiber begins its life, and is not yet runnable. May throw.
  virtual void created(fiber& one) = 0;
  // A fiber was spawned, woken, or yields. May run others before it returns.
  virtual void ready(fiber& one) noexcept = 0;
  // The running fiber parks, yields, ends or stands at a decision point, or the base runs: who is
  // next. Null: nobody can run.
  virtual fiber* choose(worker& here) noexcept = 0;
  // The running fiber stands at a decision point.
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

// That of the calling fiber's runtime; null outside of simulations.
decider* current_decider() noexcept;

// Where the time of a simulation begins: so far from any real uptime that the two clocks are told
// apart, and as far from the end of the count.
inline constexpr std::int64_t simulated_epoch = std::int64_t{1} << 60;

}  // namespace hilo::sched
