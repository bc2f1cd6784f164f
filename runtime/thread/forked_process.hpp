// The processes of a fork. A child has a copy of its parent's memory and one thread, the one that
// forked: the work of the parent's other threads and carriers never ends there.
//
// Each process of a line of forks has a number, one more than its parent's. A runtime, a thread's
// handle and a scope keep the number of the process that made them. In another process they are
// left behind: nothing of them runs, nothing waits for them, and their destructors do nothing.
#pragma once

#include <atomic>
#include <cstdint>

namespace hilo::kernel {

// Written in the child of a fork, by its only thread. relaxed: no other thread was there before.
extern std::atomic<std::uint32_t> forks_so_far;

inline std::uint32_t process_number() noexcept {
  return forks_so_far.load(std::memory_order_relaxed);
}

// From now on the children of fork(3) call became_child(). Throws std::bad_alloc.
void follow_forks();

// In a child that has a copy of the memory, before anything of the program runs in it. hilo::clone
// calls it for its children, which the handlers of fork do not see.
void became_child() noexcept;

// The part of became_child() beyond counting, which is the scheduler's. Set before the first fiber
// runs.
using child_function = void (*)() noexcept;
void set_child_function(child_function function) noexcept;

}  // namespace hilo::kernel
