// A trace of what the workers and fibers of this process do, as a file for Perfetto
// (ui.perfetto.dev) and for Chrome's chrome://tracing. `hilo trace` of another terminal makes such
// a file without any change to the program, and so does the environment variable HILO_TRACE.
//
//   hilo::trace::start();
//   hilo::run([] { hilo::spawn([] { hilo::yield(); }).join(); });
//   const hilo::trace::summary said = hilo::trace::stop("hilo.json");
//   std::printf("%llu events\n", static_cast<unsigned long long>(said.events));
//
// Each worker keeps its newest events, and loses the oldest if there are more. Not for events of
// days: a trace is a look at some seconds. While no trace is on, it costs nothing.
#pragma once

#include <cstddef>
#include <cstdint>

#include "hilo/detail/api.hpp"

namespace hilo::trace {

struct options {
  // The number of events that each worker keeps: 64 bytes each, rounded up to a power of two, from
  // 64 to 16,777,216. It counts for workers that have not been traced before.
  std::size_t events = 65536;
};

struct summary {
  std::uint64_t events = 0;  // that were written
  std::uint64_t lost = 0;    // older events, for which there was no room
};

// Begins a trace of all runtimes of this process, also of runtimes that start later. A worker
// begins within its next 61 switches, or when it wakes. What is recorded: runs of fibers, what ends
// them, spawns, wakes, steals, I/O, timers, lengths of queues, and calls that block. Threads that
// are not carriers record nothing. A wake is missing if its fiber has waited since before the
// trace, or if the waker is such a thread. A simulation (hilo/simulate.hpp) is not traced. Parks:
// never. Callable from: any fiber or thread. Errors: std::system_error: EALREADY if a trace was
// started and not stopped, EINVAL for a number of events out of range.
HILO_API void start(const options& how = {});

// Ends the trace, and writes it to the file `path`, which is made or emptied. It has what happened
// since start(); an event of a worker that records it in this moment may be missing. Parks: never;
// the thread waits for the file. Callable from: any fiber or thread. Errors: std::system_error:
// EINVAL if no trace was started; what open(2) or write(2) says if the file cannot be written: then
// the trace has ended too, and its events are gone. std::bad_alloc. Source: the format is the
// "Trace Event Format" of the Catapult project.
HILO_API summary stop(const char* path);

// The same to a descriptor, which stays open.
HILO_API summary stop(int fd);

}  // namespace hilo::trace
