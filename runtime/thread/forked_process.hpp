// The processes of a fork. A child has a copy of its parent's memory and only one thread, the
// thread that forked. The parent's other threads and carriers do not exist there, and their work is
// never finished there.
//
// Each process of a line of forks has a number, one more than its parent's. A runtime, a thread's
// handle and a scope keep the number of the process that made them. In any other process they do
// nothing: nothing of them runs, nothing waits for them, and their destructors have no effect.
#pragma once

#include <atomic>
#include <cstdint>

namespace hilo::kernel {

// Written in the child of a fork, by its only thread. relaxed: no other thread exists at that time.
extern std::atomic<std::uint32_t> forks_so_far;

inline std::uint32_t process_number() noexcept {
  return forks_so_far.load(std::memory_order_relaxed);
}

// From now on the children of fork(3) call became_child(). Throws std::bad_alloc.
void follow_forks();

// Called in a child that has a copy of the memory, before anything of the program runs there.
// hilo::clone calls it for its children, because the handlers of fork do not run for them.
void became_child() noexcept;

// The scheduler's part of became_child(), besides counting. Set before the first fiber runs.
using child_function = void (*)() noexcept;
void set_child_function(child_function function) noexcept;

}  // namespace hilo::kernel
