// Makes the child that becomes a program.
//
// For the kernel, the parent of a child is the kernel thread that made it. When that thread ends, a
// child with a parent-death signal (PR_SET_PDEATHSIG of prctl(2)) gets the signal, although the
// process lives on. A carrier may end long before the program. So the parent is a separate thread.
// It stays until the program has ended, and then ends too. It needs no spare carrier, so a program
// starts even if all of them are in use.
//
//   caller                        parent thread                    child
//   starts the thread, parks      clone, sleeps (vfork)            exec
//   has the child  <------------  hands it over
//   waits for it, or not          waitid, and leaves it waitable   ends
//
// A pinned fiber, and a thread that runs no fiber, make the child themselves. They may have changed
// their kernel thread (namespaces, capabilities, its nice value), and the programs that they start
// must inherit that. They also decide themselves when their thread ends.
//
// Rejected: one thread for all programs, which lives as long as the process. It stays even if the
// process starts no more programs, and a program that is slow to start delays all others.
#pragma once

#include <system_error>

#include "hilo/child.hpp"

#include "runtime/io/program_start.hpp"

namespace hilo::io {

// Parks: until the child has called exec or ended; no limit ends this. If no kernel thread can be
// had for the parent, the caller's thread is the parent. Errors: those of clone, in `error`;
// std::bad_alloc.
child make_program(const start_plan& plan, std::error_code& error);

}  // namespace hilo::io
