// The number of kernel threads that sleep in a wait of hilo until a waker wakes them. The look for
// deadlocks (runtime/tool/deadlock.cpp) compares it with the number of threads that exist.
//
// A thread adds itself before it sleeps. Its waker takes it off before it wakes it. So a thread
// that is counted does nothing until another thread or a fiber acts. If the wake comes before the
// sleep, the number is too low for a moment, and that only puts a report off. A wait with a
// deadline is not counted.
#pragma once

#include <atomic>
#include <cstdint>

namespace hilo::sched {

// relaxed: a waker that goes to sleep itself publishes its change by that, as a worker in
// idle_workers::enter(), or by adding itself here.
inline constinit std::atomic<std::int32_t> parked_threads{0};

inline void count_parked_thread() noexcept {
  parked_threads.fetch_add(1, std::memory_order_relaxed);
}
inline void count_woken_thread() noexcept {
  parked_threads.fetch_sub(1, std::memory_order_relaxed);
}
// Called in the child of a fork, which has one thread.
inline void forget_parked_threads() noexcept {
  parked_threads.store(0, std::memory_order_relaxed);
}

}  // namespace hilo::sched
