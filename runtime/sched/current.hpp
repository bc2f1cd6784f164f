// The only way to the current worker is detail/carrier.hpp, which templates use too.
//
// Why not gs (x86-64), which libc leaves free: in a foreign thread gs is 0, so a read through it
// faults. A test before the read (rdgsbase) measures 0.84 ns, against 0.28 ns for this way.
#pragma once

#include "hilo/detail/carrier.hpp"

namespace hilo::sched {

class worker;

// Null in a thread that is not a carrier. The first part of a worker is its detail::carrier (the
// worker's constructor checks that), and only workers have one. The type is incomplete here.
inline worker* current_worker() noexcept {
  return reinterpret_cast<worker*>(detail::current_carrier());
}

void set_current_worker(worker* one) noexcept;

// The same for a thread block other than the caller's, while no thread runs on it. A fiber that
// owns a block is told its worker at each switch to it, so the accessor need not ask.
void set_current_worker_in(void* thread_pointer, worker* one) noexcept;

}  // namespace hilo::sched
