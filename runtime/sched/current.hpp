// The one way to the current worker: detail/carrier.hpp, which templates share.
//
// Why not gs (x86-64), which libc leaves free: a foreign thread has gs at 0, so reading through it
// faults, and asking first (rdgsbase) measures 0.84 ns against 0.28 ns for this.
#pragma once

#include "hilo/detail/carrier.hpp"

namespace hilo::sched {

class worker;

// Null in a thread that is no carrier. A worker's first part is its carrier (its constructor checks
// that), and only workers have one; the type is incomplete here.
inline worker* current_worker() noexcept {
  return reinterpret_cast<worker*>(detail::current_carrier());
}

void set_current_worker(worker* one) noexcept;

// The same for another thread block than the caller's: nobody runs on it. A fiber that owns one is
// told its worker at each switch to it, so the accessor asks nothing.
void set_current_worker_in(void* thread_pointer, worker* one) noexcept;

}  // namespace hilo::sched
