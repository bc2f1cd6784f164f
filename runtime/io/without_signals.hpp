// Blocks signals for a while.
#pragma once

#include <csignal>

namespace hilo::io {

// While a without_signals lives, no handler runs in this thread. A thread that is started meanwhile
// begins in the same state. So does a child, until it has reset its handlers.
class without_signals {
 public:
  without_signals() noexcept {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~without_signals() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  without_signals(const without_signals&) = delete;
  without_signals& operator=(const without_signals&) = delete;

 private:
  sigset_t before_;
};

}  // namespace hilo::io
