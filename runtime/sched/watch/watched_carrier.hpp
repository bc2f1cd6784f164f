// The kernel thread of a worker, as the monitor sees it (carrier_sight.hpp), and whether its worker
// can do without thieves for that.
#pragma once

#include <atomic>

#include "hilo/kernel/mutex.hpp"

#include "runtime/sched/watch/carrier_sight.hpp"
#include "runtime/sys/own_descriptor.hpp"

namespace hilo::sched {

class watched_carrier {
 public:
  explicit watched_carrier(bool shares_for_good) noexcept : shares_for_good_(shares_for_good) {}

  // --- on the carrier ---

  void begin() noexcept;
  // Shows the monitor what the thread does: by a file that stays open, or by one that is opened at
  // each look. False: it cannot be seen exactly, so the worker must share for good.
  bool show(bool keep_open) noexcept;
  void hide() noexcept;
  // The thread ends now, so its number may soon be another thread's.
  void end() noexcept { tid_.store(0, std::memory_order_relaxed); }
  // The file is lost: the worker must share for good.
  bool lost() const noexcept { return out_of_sight_.load(std::memory_order_relaxed); }
  void share_for_good() noexcept { shares_for_good_.store(true, std::memory_order_relaxed); }

  // --- from other threads ---

  int id() const noexcept { return tid_.load(std::memory_order_relaxed); }
  // Whether the worker always acts as if there are thieves. relaxed: the monitor looks again.
  bool shares_for_good() const noexcept { return shares_for_good_.load(std::memory_order_relaxed); }
  // What the thread does, exactly. unknown: it cannot be told, or it takes a descriptor and
  // `thorough` is false. `newly_lost`: this call found that the file is lost.
  carrier_state exact_state(bool thorough, bool& newly_lost) noexcept;

 private:
  kernel::mutex lock_;
  sys::own_descriptor file_;  // guarded by lock_; empty where thieves may come anyway
  // Written by the monitor, read by the owner at each attend(). Relaxed, like the next one: it
  // publishes nothing.
  std::atomic<bool> out_of_sight_{false};
  std::atomic<bool> shares_for_good_;  // written by the owner
  std::atomic<int> tid_{0};
};

}  // namespace hilo::sched
