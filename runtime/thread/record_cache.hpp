// Records between two threads: the free records, and the records of detached threads that end soon.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>

#include "hilo/kernel/mutex.hpp"

#include "runtime/thread/record.hpp"

namespace hilo::kernel {

class record_cache {
 public:
  // Returns a record whose block and stack are ready for these options. Throws std::system_error.
  record* acquire(const thread_options& options, const libc_layout& layout);

  // Takes a record whose thread is gone (its `alive` reads 0), or whose thread never started.
  void release(record* free) noexcept;

  // Takes a record whose detached thread is about to end. acquire() releases the record once
  // `alive` is 0.
  void release_when_gone(record* leaving) noexcept;

  // Around fork: the child's copy is consistent and unlocked.
  void lock() noexcept { lock_.lock(); }
  void unlock() noexcept { lock_.unlock(); }

 private:
  // This many free records keep their stacks. If there are more, the record that was unused longest
  // gives its stack back to the kernel and keeps its block. So stacks of a size that is no longer
  // used make room for stacks of sizes in use. Guess.
  static constexpr std::size_t stacks_kept = 64;

  record* take(const thread_options& options) noexcept;
  // Takes it out of stacked_ and moves the later records down. Under lock_.
  record* take_stacked(std::size_t index) noexcept;
  void reap() noexcept;
  // Returns what make() returns. If there is not enough memory for it, the cache first gives its
  // own back.
  template <class Make>
  auto with_spare_memory(Make make);
  // Unmaps the stacks of all free records. Returns false if there are none.
  bool drop_stacks() noexcept;

  mutex lock_;
  // Free, with their stacks; the most recently used last. Under lock_.
  std::array<record*, stacks_kept> stacked_{};
  std::size_t stacks_ = 0;    // under lock_; how many these are
  record* blocks_ = nullptr;  // free, without stacks; under lock_
  // Threads that end push here. reap() always empties the whole list, so no node is ever popped
  // alone (no ABA).
  std::atomic<record*> leaving_{nullptr};
};

}  // namespace hilo::kernel
