// Fibers that are held (context::hold), so that what they wait for can be read while others run.
#pragma once

#include <cstddef>
#include <vector>

#include "hilo/detail/fence.hpp"

#include "runtime/sched/scheduler.hpp"
#include "runtime/tool/parked.hpp"

namespace hilo::tool {

// A carrier that wants to run a held fiber waits, as for a fiber that is still leaving its stack.
// So hold few, and not for long. The caller keeps the runtimes (so there is one holder at a time)
// and the slots of the fibers open. Model: hold.
class held_fibers {
 public:
  // Room for `most`. Throws std::bad_alloc.
  held_fibers(const population& all, std::size_t most) : all_(all) { held_.reserve(most); }
  ~held_fibers() { let_go(); }
  held_fibers(const held_fibers&) = delete;
  held_fibers& operator=(const held_fibers&) = delete;

  // False: it does not wait, or has ended, or its runtime is a simulation, whose fibers are run
  // without a look at on_cpu. (L4) acquire: a block that was never used has no runtime.
  bool hold(fiber& one) {
    if (one.join.load(std::memory_order_acquire) == sched::join_word::ended) return false;
    if (one.home->decides() != nullptr || !all_.is_parked(one)) return false;
    if (!one.context.hold()) return false;
    held_.push_back(&one);
    return true;
  }
  bool full() const noexcept { return held_.size() == held_.capacity(); }
  const std::vector<fiber*>& all() const noexcept { return held_; }

  // After the last hold() and before waits(). One membarrier(2) for all of them.
  void settle() const noexcept {
    if (!held_.empty()) detail::heavy_fence();  // (H)
  }
  // Whether the fiber stays where it is until let_go(). If not, only the fields that never change
  // may be read.
  //
  // In this order: a carrier that stores over `held` may run the fiber until it waits again. If the
  // first look sees that wait, the second sees that it is not held any more.
  bool waits(const fiber& one) const noexcept {
    return all_.still_waits(one) && one.context.is_held();
  }
  void let_go() noexcept {
    for (fiber* const one : held_) one->context.let_go();
    held_.clear();
  }

 private:
  const population& all_;
  std::vector<fiber*> held_;
};

}  // namespace hilo::tool
