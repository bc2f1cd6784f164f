// Whether the kernel thread of a carrier waits in a system call, or computes.
//
// Two ways, because each may be missing:
//
//   /proc/self/task/N/syscall (proc(5)) says "running", or the number of the call, or -1 outside of
//     calls (a page fault). Exact. It needs /proc, a free descriptor, and the right to open the
//     file, which a process that gave up root has not (it is not dumpable).
//   The thread's CPU clock needs nothing. A thread that used little of its time waits: in a system
//     call, or for a CPU on a loaded machine. Nothing tells these two apart.
//
// Where it must be exact. Others may steal from a worker that knows of no thieves only if its
// thread is in a system call, and not within some operation on its ring (worker::share). Such a
// worker is the only one of its runtime, and it opens its file when it starts: an open file can be
// read whatever the process has lost since. A worker that has no file, or lost it, shares for good.
#pragma once

#include <cstdint>

#include "runtime/sys/own_descriptor.hpp"

namespace hilo::sched {

enum class carrier_state : std::uint8_t { unknown, in_call, computes };

// The calling thread's file; not open if it cannot be had.
sys::own_descriptor open_call_file() noexcept;

// By the file of a thread, exactly. unknown: the file is lost.
carrier_state read_call_file(const sys::own_descriptor& file) noexcept;

// By the thread's file in /proc, exactly. unknown: it cannot be read.
carrier_state look_at_thread(int tid) noexcept;

// CPU time that a thread used, ns; `kernel`: as far as it was in the kernel, counted in the
// kernel's ticks.
struct cpu_use {
  std::int64_t all = -1;  // negative: the kernel does not say
  std::int64_t kernel = 0;
};
cpu_use cpu_use_of(int tid) noexcept;

// Whether the thread computes in user mode right now, so that a signal ends no system call of the
// user's: it keeps a CPU to itself while the caller looks, for a third of a millisecond, and spent
// little of its time since `before` in the kernel.
bool computes_for_certain(int tid, const cpu_use& before) noexcept;

}  // namespace hilo::sched
