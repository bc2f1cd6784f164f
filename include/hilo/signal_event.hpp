// An event that a signal handler may set, to wake a fiber or a thread.
//
//   hilo::io::signal_event reload;
//   std::signal(SIGHUP, [](int) { reload.set(); });
//   hilo::run([&] {
//     while (reload.wait() == hilo::status::ok) read_configuration();
//   });
//
// A handler interrupts its thread at any point, and the thread may hold the lock that a call in the
// handler needs. So a handler must not call hilo, except set() here,
// kernel::counting_semaphore::release and kernel::event::set, which take no lock. The two kernel
// calls wake threads; set() here wakes fibers as well. To get signals as values, without a handler,
// use signal_set.
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

  // Ends one wait: the wait that is under way, or the next. Several calls before a wait count as
  // one. Does not change errno. Callable from: anywhere, also from signal handlers.
  // Ordering: everything before set() happens before the return of that wait.
  void set() const noexcept;

  // Waits for set() and takes it. Parks: until then. Callable from: any fiber or thread. Returns
  // ok; cancelled or timed_out if a stop request, a limit or the time came first; failed if there
  // is no memory for the wait.
  [[nodiscard]] status wait(until when = {}) noexcept;

  // Takes a set() if there was one. Never parks; a false answer counts (docs/fibers.md). Callable
  // from: any fiber or thread.
  [[nodiscard]] bool try_wait() noexcept;

  // Polls readable while it is set (io::poll, and ready_of in a select).
  int fd() const noexcept { return descriptor_.fd(); }

 private:
  descriptor descriptor_;
};

}  // namespace hilo::io
