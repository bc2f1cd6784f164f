// The global queue: fibers made runnable from outside the carriers, and fibers that did not fit
// into a ring. First in, first out, linked through the control blocks, so it never allocates and
// never fails.
#pragma once

#include <atomic>
#include <cstddef>
#include <mutex>

#include "hilo/detail/spin_lock.hpp"

#include "runtime/sched/fibers/fiber.hpp"

namespace hilo::sched {

class injector {
 public:
  void push(fiber& one) noexcept {
    one.next_injected = nullptr;
    push(one, one, 1);
  }

  // The same for `count` fibers that are linked by next_injected.
  void push(fiber& first, fiber& last, std::size_t count) noexcept {
    const std::scoped_lock guard(lock_);
    (last_ != nullptr ? last_->next_injected : first_) = &first;
    last_ = &last;
    // (I1) seq_cst: pairs with (I2), the idle protocol; only holders of the lock write.
    size_.store(size_.load(std::memory_order_relaxed) + count, std::memory_order_seq_cst);
  }

  // Takes up to `most` fibers, linked by next_injected; null if the queue is empty.
  fiber* take(std::size_t most) noexcept {
    const std::scoped_lock guard(lock_);
    fiber* const all = first_;
    fiber* last = nullptr;
    std::size_t taken = 0;
    for (; taken < most && first_ != nullptr; ++taken) {
      last = first_;
      first_ = first_->next_injected;
    }
    if (last == nullptr) return nullptr;
    last->next_injected = nullptr;
    if (first_ == nullptr) last_ = nullptr;
    size_.store(size_.load(std::memory_order_relaxed) - taken, std::memory_order_relaxed);
    return all;
  }

  // relaxed: a hint for running workers; a worker that goes to sleep uses settled_size().
  std::size_t size() const noexcept { return size_.load(std::memory_order_relaxed); }
  // (I2)
  std::size_t settled_size() const noexcept { return size_.load(std::memory_order_seq_cst); }

 private:
  detail::spin_lock lock_;
  fiber* first_ = nullptr;  // guarded by lock_
  fiber* last_ = nullptr;   // guarded by lock_
  // Written under lock_, read by any thread without it.
  std::atomic<std::size_t> size_{0};
};

}  // namespace hilo::sched
