// Signals that a fiber receives (signalfd(2)), instead of a handler that interrupts running code.
//
//   int main() {
//     hilo::io::signal_set stop({SIGINT, SIGTERM});  // before there are other threads
//     hilo::run([&] {
//       ...
//       const auto got = stop.receive();
//       if (got) std::printf("%s\n", strsignal(got->number));
//     });
//   }
//
// The kernel keeps a signal for receive() only while every thread of the process blocks it. A
// thread that does not block it would take the signal, with the signal's action: as a rule the end
// of the process. A new thread starts with the signal mask of the thread that makes it. So make the
// set in main, before hilo::run and before any other thread. The constructor blocks the signals in
// the calling thread, and checks the other threads in /proc. If an older thread does not block
// them, the constructor fails with an error that names the thread.
#pragma once

#include <csignal>
#include <cstdint>
#include <initializer_list>
#include <span>

#include <sys/types.h>

#include "hilo/descriptor.hpp"
#include "hilo/detail/api.hpp"
#include "hilo/io.hpp"
#include "hilo/result.hpp"

namespace hilo::io {

// A signal that was received (siginfo_t of sigaction(2)).
struct signal_info {
  int number = 0;
  int code = 0;      // SI_USER: kill(2); SI_QUEUE: sigqueue(3); SI_TIMER; CLD_EXITED and so on
  pid_t sender = 0;  // the process that sent it; for SIGCHLD the child; else 0
  uid_t user = 0;    // the sender's real user
  std::int64_t value = 0;  // of sigqueue(3) or a timer: the pointer, or the int in the low 32 bits
};

class signal_set {
 public:
  // Blocks the signals in the calling thread and opens a descriptor for them.
  // Callable from: any thread, if all other threads block the signals; in a fiber, they would stay
  // blocked in its carrier. Errors: std::system_error. EINVAL: a signal that does not exist, that
  // libc uses itself, that cannot be blocked (SIGKILL, SIGSTOP), or that the CPU raises for a fault
  // of the program (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS) and that kills the program
  // even if blocked; EBUSY: another thread does not block the signals; EMFILE, ENFILE; ENOENT,
  // EACCES: /proc is not mounted, or does not show the threads.
  signal_set(std::initializer_list<int> numbers)
      : signal_set(std::span<const int>(numbers.begin(), numbers.size())) {}
  HILO_API explicit signal_set(std::span<const int> numbers);
  signal_set(const signal_set&) = delete;
  signal_set& operator=(const signal_set&) = delete;
  // Unblocks, in the constructing thread, the signals that the constructor blocked. A signal that
  // is still pending then takes its normal action. In another thread, the destructor leaves the
  // signals blocked.
  HILO_API ~signal_set();

  // Waits for a signal and takes it. Several pending signals of the same number count as one,
  // except real-time signals (SIGRTMIN and up). The lowest number comes first, and each signal goes
  // to one receiver. Receives signals that are sent to the process: by kill(2), the terminal,
  // timers, and ends of children. A signal to a single thread (raise(3), pthread_kill(3)) stays
  // with that thread, and only that thread can take it.
  // Parks: until a signal comes, or a limit. Callable from: any fiber or thread. Errors: those of
  // read(2).
  HILO_API result<signal_info> receive(until when = {}) noexcept;

  // Polls readable while a signal is there (io::poll), and may be a case of a select:
  //
  //   hilo::result<short> ready = 0;
  //   hilo::select{hilo::io::ready_of(stop.fd(), POLLIN, ready), hilo::receive_from(work, item)};
  //
  // After that, receive() returns at once, unless another receiver was faster.
  int fd() const noexcept { return descriptor_.fd(); }

 private:
  descriptor descriptor_;
  sigset_t added_;  // the signals that the constructor blocked
  pid_t thread_;    // the thread that ran the constructor
};

}  // namespace hilo::io
