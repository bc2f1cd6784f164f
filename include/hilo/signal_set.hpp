// Signals that a fiber receives, instead of a handler that interrupts whoever runs (signalfd(2)).
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
// The kernel keeps a signal for receive only while every thread of the process has it blocked: any
// other thread would take it, and its action, as a rule the process's end. A thread starts with the
// mask of the one that makes it. So the set is made in main, before hilo::run and before any other
// thread: it blocks its signals in the calling thread, and looks into /proc for the others. One
// that does not block them, having been made earlier, is an error that names it.
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
  pid_t sender = 0;  // the process that sent it, or for SIGCHLD that it is about; else 0
  uid_t user = 0;    // the sender's real user
  std::int64_t value = 0;  // of sigqueue(3) or a timer: its pointer, or in the low 32 bits its int
};

class signal_set {
 public:
  // Blocks the signals in the calling thread and opens a descriptor for them.
  // Callable from: any thread, while each other one blocks them; in a fiber they would stay blocked
  // in its carrier. Errors: std::system_error. EINVAL: a signal that does not exist, that the
  // libc needs for itself, that cannot be blocked (SIGKILL, SIGSTOP), or that the CPU raises for a
  // fault of the program (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS): blocked, it would kill
  // it all the same; EBUSY: another thread does not block them; EMFILE, ENFILE; ENOENT: there is
  // no /proc to look into.
  signal_set(std::initializer_list<int> numbers)
      : signal_set(std::span<const int>(numbers.begin(), numbers.size())) {}
  HILO_API explicit signal_set(std::span<const int> numbers);
  signal_set(const signal_set&) = delete;
  signal_set& operator=(const signal_set&) = delete;
  // Lets the signals that the constructor blocked in again, in its thread: one that was not
  // received has its action then. In another thread it leaves them blocked.
  HILO_API ~signal_set();

  // Waits for a signal and takes it. Several of one number that came before count as one, real-time
  // signals (SIGRTMIN and up) excepted; the lowest number comes first, and to one receiver. Signals
  // to the process are received: of kill(2), the terminal, timers, the ends of children. One to a
  // single thread (raise(3), pthread_kill(3)) stays with that thread, and only it can take it.
  // Parks: until then, or a limit. Callable from: any fiber or thread. Errors: those of read(2).
  HILO_API result<signal_info> receive(until when = {}) noexcept;

  // Polls readable while a signal is there (io::poll), and may be a case of a select:
  //
  //   hilo::result<short> ready = 0;
  //   hilo::select{hilo::io::ready_of(stop.fd(), POLLIN, ready), hilo::receive_from(work, item)};
  //
  // after which receive() returns at once, unless another receiver was faster.
  int fd() const noexcept { return descriptor_.fd(); }

 private:
  descriptor descriptor_;
  sigset_t added_;  // blocked by the constructor
  pid_t thread_;    // whose it was
};

}  // namespace hilo::io
