// What hilo keeps of one kernel thread: its stack, its libc thread block, its join word.
//
// A record is used by one thread after another and never freed. So a block with a warm malloc cache
// and a stack with warm pages are used again together, and a late look at a record's words always
// reads mapped memory. A record has these owners, in order: the starting thread; the running thread
// together with its handle; then, once `alive` reads 0, the thread that saw the 0 (the joiner, or
// the reaper of detached threads); then the cache.
#pragma once

#include <atomic>
#include <cstdint>

#include "runtime/sys/futex.hpp"
#include "runtime/thread/ending.hpp"
#include "runtime/thread/stack.hpp"
#include "runtime/thread/thread_block.hpp"

namespace hilo::kernel {

// Which side gives the record back. The second of two exchanges decides.
enum class release_by : std::uint32_t {
  handle,    // the thread runs (or has ended) and its handle exists
  detached,  // the handle went first: the thread itself hands the record to the reaper
  ended,     // the thread ended first: the end of the handle gives the record back
};

struct record : detail::kernel_thread {
  // Nonzero from before clone until the kernel has finished the thread. The kernel stores 0 and
  // wakes one shared futex waiter (CLONE_CHILD_CLEARTID). This is hilo's own word and not a word of
  // the thread block, because it is read after the thread is gone.
  sys::futex_word alive{0};
  // Written by the thread at its end and by detach.
  std::atomic<release_by> owner{release_by::handle};

  stack memory;
  thread_block block;
  const libc_layout* layout = nullptr;

  // Set by the starting thread, read by the new thread; clone orders them.
  void* closure = nullptr;
  void (*run_and_destroy)(void* closure) noexcept = nullptr;
  bool signals_blocked = false;  // across clone; signal_mask must be restored
  std::uint64_t signal_mask = 0;
  char name[16] = {};  // empty: the starting thread's name stays

  record* next = nullptr;  // in the cache or in the reaper's list
};

}  // namespace hilo::kernel
