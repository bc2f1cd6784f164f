// The thread that makes the child that becomes a program.
//
// The kernel's parent of a child is the kernel thread that made it. When that thread ends, a child
// with a parent-death signal (PR_SET_PDEATHSIG of prctl(2)) gets it, though the process lives on. A
// carrier may end long before the program. So the parent is a thread of its own, which stays until
// the program has ended, and then ends too. It needs no spare carrier, so a program starts while
// all of them are in use.
//
//   caller                        parent thread                    child
//   starts the thread, parks      clone, sleeps (vfork)            exec
//   has the child  <------------  hands it over
//   waits for it, or not          waitid, and leaves it waitable   ends
//
// A pinned fiber, and a thread that runs no fiber, make the child themselves. Their changes of
// their kernel thread (namespaces, capabilities, its nice value) are for the programs that they
// start; and when they end is their business.
//
// Rejected: one thread for all programs, which lives as long as the process. It is left over in a
// process that starts no more programs, and a program that is slow to start holds up all others.
#pragma once

#include <system_error>

#include "hilo/child.hpp"

#include "runtime/io/program_start.hpp"

namespace hilo::io {

// Parks: until the child has called exec or ended, which no limit ends. Without a kernel thread for
// the parent it is the caller's. Errors: those of clone, in `error`; std::bad_alloc.
child make_program(const start_plan& plan, std::error_code& error);

}  // namespace hilo::io
