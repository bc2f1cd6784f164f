// The queues of runnable fibers that all workers of a runtime share, and the news of new work.
//
// The injector holds fibers that were made runnable from outside the carriers, and fibers that did
// not fit into a ring. The two lanes hold fibers with a priority (lanes.cpp). A fiber in a worker's
// own queue becomes known here too, when others may take it: the three published() functions of
// idle_workers wake a sleeper for it if one is needed.
#pragma once

#include <array>
#include <cstddef>

#include "hilo/fiber.hpp"

#include "runtime/sched/idling/idle.hpp"
#include "runtime/sched/queues/injector.hpp"

namespace hilo::sched {

class shared_queues {
 public:
  explicit shared_queues(unsigned carriers) noexcept : carriers_(carriers) {}

  idle_workers& idle() noexcept { return idle_; }
  unsigned carriers() const noexcept { return carriers_; }

  // From any thread: makes a fiber runnable that is not special.
  void inject(fiber& one) noexcept {
    injected_.push(one);  // (P1)
    idle_.published();
  }

  injector& injected() noexcept { return injected_; }
  // The runnable fibers of high or of idle priority.
  injector& lane(priority which) noexcept { return lanes_[which == priority::high ? 0 : 1]; }

 private:
  const unsigned carriers_;
  injector injected_;
  std::array<injector, 2> lanes_;
  idle_workers idle_;
};

}  // namespace hilo::sched
