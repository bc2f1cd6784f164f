// Records between two threads: a stack of free ones, and the detached ones whose end is near.
#pragma once

#include <atomic>

#include "hilo/kernel/mutex.hpp"

#include "runtime/thread/record.hpp"

namespace hilo::kernel {

class record_cache {
 public:
  // A record whose block and stack are ready for these options. Throws std::system_error.
  record* acquire(const thread_options& options, const libc_layout& layout);

  // Takes a record whose thread is gone (its `alive` reads 0), or never was.
  void release(record* free) noexcept;

  // Takes a record whose detached thread is about to leave; acquire() releases it once `alive` is
  // 0.
  void release_when_gone(record* leaving) noexcept;

  // Around fork: the child's copy is consistent and unlocked.
  void lock() noexcept { lock_.lock(); }
  void unlock() noexcept { lock_.unlock(); }

 private:
  // Free records beyond this many give their stacks back to the kernel; their blocks stay. Guess.
  static constexpr int stacks_kept = 64;

  record* take(const thread_options& options) noexcept;
  void reap() noexcept;
  // What make() returns; where memory does not suffice for it, the cache gives its own back first.
  template <class Make>
  auto with_spare_memory(Make make);
  // Unmaps the stacks of all free records; false when there are none.
  bool drop_stacks() noexcept;

  mutex lock_;
  record* free_ = nullptr;  // under lock_; the most recently used first
  int stacks_ = 0;          // under lock_; how many free records have one
  // Pushed by threads that leave, emptied as a whole by reap(), so no node is ever popped alone (no
  // ABA).
  std::atomic<record*> leaving_{nullptr};
};

}  // namespace hilo::kernel
