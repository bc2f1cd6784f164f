// Forks: calls that wait on their fiber's stack, as include/hilo/detail/fork.hpp and
// runtime/sched/fibers/fork.cpp. A worker without work asks, and the fiber makes a helper of its
// oldest fork.
//
// fib is nothing but forks, millions of them. So the parts of the tree that have at most a thousand
// forks are one computation here. In hilo a fork answers a request at once; here up to some
// microseconds later.
#pragma once

#include <cstdint>
#include <deque>

#include "bench/scaling/life.hpp"

namespace scaling {

class fork_tree {
 public:
  fork_tree(runtime& home, picoseconds work) noexcept : home_(home), work_(work) {}

  // The value of fib(n).
  step<std::uint64_t> visit(fiber& me, unsigned n);

 private:
  // A fork that waits. In its fiber's list, until it is offered.
  struct frame {
    unsigned n;
    std::uint64_t result = 0;
    fiber* helper = nullptr;
  };
  using forks = std::deque<frame*>;  // the oldest first

  step<std::uint64_t> fib(fiber& me, forks& mine, unsigned n);
  step<void> answer_request(fiber& me, forks& mine);
  step<void> offer_oldest(fiber& me, forks& mine);
  step<void> help(fiber& me, frame& one);

  runtime& home_;
  const picoseconds work_;
};

}  // namespace scaling
