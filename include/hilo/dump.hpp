// A picture of all fibers, written by the process itself. `hilo dump` of another terminal shows
// more, such as the lines of the source; this needs no other program and no permission.
//
//   if (minutes_late > 5) hilo::dump(STDERR_FILENO);
//
// A signal has the same written to standard error: runtime_options::dump_signal, or the environment
// variable HILO_DUMP_SIGNAL.
#pragma once

#include "hilo/detail/api.hpp"

namespace hilo {

// Writes to the descriptor `fd` the fibers of all runtimes of this process, grouped by equal
// backtraces, the largest group first, and then the workers with their counts. A fiber that runs
// has no backtrace, except the caller. Other fibers go on meanwhile; a waiting fiber that is woken
// may be held back for as long as its backtrace is taken, a millisecond at most. Parks: never; it
// takes some microseconds for each fiber, and waits if `fd` does. Callable from: any fiber or
// thread, but not from a signal handler. Errors: std::bad_alloc; what cannot be written is lost.
HILO_API void dump(int fd);

}  // namespace hilo
