// glibc's count of threads, which tells glibc when the last thread ends.
//
// glibc calls exit(0) when the last thread that it counts ends: main by pthread_exit, or a pthread
// after that. hilo makes threads by clone, so glibc does not count them, and the process would end
// while they run. Therefore each thread of hilo adds itself to glibc's own count, and the last of
// all threads calls exit(0), as a pthread does.
//
//   start   in the starting thread, before clone    + 1 (taken back if clone fails)
//   end     in the thread, after its destructors    - 1; it was the last: exit(0)
//   fork    glibc sets the count of the child to 1, which is the forking thread
//
// Rejected: a pthread that sleeps as long as hilo's threads live. It costs a kernel thread, and
// every tool shows it.
#pragma once

#include <atomic>
#include <cstdlib>

#include "runtime/thread/libc_layout.hpp"

namespace hilo::kernel {

inline std::atomic_ref<std::uint32_t> live_threads(const libc_layout& layout) noexcept {
  return std::atomic_ref<std::uint32_t>(*layout.live_threads);
}

// relaxed: the starting thread is itself counted, so the count cannot fall to 0 meanwhile
inline void count_start(const libc_layout& layout) noexcept {
  live_threads(layout).fetch_add(1, std::memory_order_relaxed);
}

// The thread did not start after all.
inline void take_back_start(const libc_layout& layout) noexcept {
  live_threads(layout).fetch_sub(1, std::memory_order_relaxed);
}

// acq_rel, as glibc's own: the exit handlers see what the threads that ended earlier have done.
inline void count_end(const libc_layout& layout) noexcept {
  if (live_threads(layout).fetch_sub(1, std::memory_order_acq_rel) == 1) std::exit(0);
}

// In a child on a copy of our memory that glibc did not make: only one thread exists.
inline void count_only_caller(const libc_layout& layout) noexcept {
  live_threads(layout).store(1, std::memory_order_relaxed);
}

}  // namespace hilo::kernel
