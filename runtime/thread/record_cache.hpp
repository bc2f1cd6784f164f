// Records between two threads: the free ones, and the detached ones whose end is near.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>

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
  // So many free records keep their stacks. Beyond, the one that rested longest gives its stack
  // back to the kernel, so that stacks of a size nobody wants any more make room for those that
  // are; its block stays. Guess.
  static constexpr std::size_t stacks_kept = 64;

  record* take(const thread_options& options) noexcept;
  // From stacked_, the later ones moving down. Under lock_.
  record* take_stacked(std::size_t index) noexcept;
  void reap() noexcept;
  // What make() returns; where memory does not suffice for it, the cache gives its own back first.
  template <class Make>
  auto with_spare_memory(Make make);
  // Unmaps the stacks of all free records; false when there are none.
  bool drop_stacks() noexcept;

  mutex lock_;
  // Free, with their stacks; the most recently used last. Under lock_.
  std::array<record*, stacks_kept> stacked_{};
  std::size_t stacks_ = 0;    // under lock_; how many these are
  record* blocks_ = nullptr;  // free, without stacks; under lock_
  // Pushed by threads that leave, emptied as a whole by reap(), so no node is ever popped alone (no
  // ABA).
  std::atomic<record*> leaving_{nullptr};
};

}  // namespace hilo::kernel
