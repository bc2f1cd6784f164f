// A mutex, as include/hilo/mutex.hpp and runtime/sync/mutex.cpp: its state and its waiters are
// under a spin_lock. The fiber that waits longest is woken, and if it loses once, the mutex is
// handed over to it.
#pragma once

#include "bench/scaling/life.hpp"

namespace scaling {

class mutex {
 public:
  // How long a carrier leaves the lock to its owner before it asks, in pauses: the length of the
  // batches in which carriers take turns.
  explicit mutex(unsigned batch) { lock_.patience_before_asking = batch; }

  step<void> lock(fiber& me);
  step<void> unlock(fiber& me);

  // The line of the data that it protects.
  line guarded{part::data};
  std::uint64_t hand_overs = 0, parks = 0;

 private:
  step<bool> attempt(fiber& me);
  step<void> lock_slow(fiber& me);
  step<void> unlock_slow(fiber& me);

  line home_{part::mutex};
  spin_lock lock_{home_};
  fiber* holder_ = nullptr;
  bool awaited_ = false;
  bool waking_ = false;
  fiber_list waiters_;
};

}  // namespace scaling
