#include "runtime/sched/blocking/held_place.hpp"

#include "runtime/base/cpu.hpp"

namespace hilo::sched {

bool held_place::take_back() noexcept {
  if (place_ == nullptr) return false;  // this is a spare that carries the fiber
  if (offer_.load(std::memory_order_relaxed) == kept) return true;  // there was no spare
  std::uint32_t expected = offered;
  // (H2) acquire: only thieves changed the queue meanwhile, and the rings take care of thieves
  if (offer_.compare_exchange_strong(expected, kept, std::memory_order_acq_rel,
                                     std::memory_order_relaxed)) {
    return true;
  }
  // (H4) acquire: the spare is done with our queue. It moves a few hundred fibers at most.
  while (offer_.load(std::memory_order_acquire) != moved) base::cpu_relax();
  place_ = nullptr;
  offer_.store(kept,
               std::memory_order_relaxed);  // (H5) no other thread reads it: we hold no place
  return false;
}

bool held_place::begin_taking(worker& self, held_place& held) noexcept {
  std::uint32_t expected = offered;
  // (H3) acquire: sees the fibers that the old carrier put into the queue
  if (!held.offer_.compare_exchange_strong(expected, moving, std::memory_order_acq_rel,
                                           std::memory_order_relaxed)) {
    return false;
  }
  take(self, *held.place_);
  return true;
}

void held_place::end_taking(held_place& held) noexcept {
  held.offer_.store(moved, std::memory_order_release);  // (H4)
}

place& held_place::move_apart(const place& timed_by) noexcept {
  place& left = *place_;
  apart_.timers = left.timers;
  apart_.closing.store(true, std::memory_order_relaxed);
  apart_.overstayed = true;
  place_ = &apart_;
  timed_by_ = &timed_by;
  told_arms_ = timers().arms();
  return left;
}

}  // namespace hilo::sched
