// An event that a signal handler may set, to wake a fiber or a thread.
//
//   hilo::io::signal_event reload;
//   std::signal(SIGHUP, [](int) { reload.set(); });
//   hilo::run([&] {
//     while (reload.wait() == hilo::status::ok) read_configuration();
//   });
//
// A handler runs in the middle of whatever its thread was doing, which may hold the lock that the
// handler's call needs: so no call of hilo may be made there, except set() here,
// kernel::counting_semaphore::release and kernel::event::set, which take no lock. Those two wake
// threads; this one wakes fibers as well. To get signals as values, and no handler, use signal_set.
//
// It holds one descriptor (eventfd(2)).
#pragma once

#include "hilo/descriptor.hpp"
#include "hilo/detail/api.hpp"
#include "hilo/io.hpp"
#include "hilo/status.hpp"

namespace hilo::io {

class HILO_API signal_event {
 public:
  // Errors: std::system_error EMFILE, ENFILE, ENOMEM.
  signal_event();
  signal_event(const signal_event&) = delete;
  signal_event& operator=(const signal_event&) = delete;
  ~signal_event() = default;

  // Ends one wait, the one that is under way or the next. Several before a wait count as one.
  // Leaves errno as it is. Callable from: anywhere, and from signal handlers.
  // Ordering: everything before set() happens before the return of that wait.
  void set() const noexcept;

  // Waits for set() and takes it. Parks: until then. Callable from: any fiber or thread.
  // Returns ok; cancelled or timed_out when a stop request, a limit or the time came first; failed
  // when there is no memory for the wait.
  [[nodiscard]] status wait(until when = {}) noexcept;

  // Takes a set() if there was one. Never parks; a look that finds nothing counts. Callable from:
  // any fiber or thread.
  [[nodiscard]] bool try_wait() noexcept;

  // Polls readable while it is set (io::poll, and ready_of in a select).
  int fd() const noexcept { return descriptor_.fd(); }

 private:
  descriptor descriptor_;
};

}  // namespace hilo::io
