// Whether the kernel thread of a carrier waits in a system call, or computes.
//
// There are two ways, because each may be missing:
//
//   /proc/self/task/N/syscall (proc(5)) says "running", or the number of the call, or -1 outside of
//     calls (a page fault). Exact. It needs /proc, a free descriptor, and the right to open the
//     file. A process that gave up root does not have this right (it is not dumpable).
//   The thread's CPU clock needs nothing. A thread that used little of its time waits: in a system
//     call, or for a CPU on a loaded machine. The clock cannot tell these two apart.
//
// Where it must be exact. If a worker does not know of thieves, others may steal from it only while
// its thread is in a system call, and never in the middle of an operation on its ring
// (run_queue::share). Such a worker is the only one of its runtime. It opens its file when it
// starts, because an open file can be read even if the process loses rights later. A worker that
// has no file, or lost it, shares for good.
#pragma once

#include <cstdint>

#include "runtime/sys/own_descriptor.hpp"

namespace hilo::sched {

enum class carrier_state : std::uint8_t { unknown, in_call, computes };

// Opens the calling thread's file; the result is not open if that fails.
sys::own_descriptor open_call_file() noexcept;

// Read from the open file of a thread; exact. unknown: the file is lost.
carrier_state read_call_file(const sys::own_descriptor& file) noexcept;

// Read from the thread's file in /proc; exact. unknown: the file cannot be read.
carrier_state look_at_thread(int tid) noexcept;

// CPU time that a thread used, in ns. `kernel`: its part in kernel mode, counted in the kernel's
// ticks.
struct cpu_use {
  std::int64_t all = -1;  // negative: the kernel does not say
  std::int64_t kernel = 0;
};
cpu_use cpu_use_of(int tid) noexcept;

// Whether the thread certainly computes in user mode right now, so that a signal ends no system
// call of the user's: the thread keeps a CPU to itself while the caller looks, for a third of a
// millisecond, and spent little of its time since `before` in the kernel.
bool computes_for_certain(int tid, const cpu_use& before) noexcept;

}  // namespace hilo::sched
