// The signal mask of the calling kernel thread, by the plain system call: glibc's sigprocmask
// refuses to block two of the signals.
#pragma once

#include <csignal>
#include <cstdint>

#include "runtime/base/check.hpp"
#include "runtime/sys/syscall.hpp"

namespace hilo::kernel {

inline constexpr std::uint64_t all_signals = ~std::uint64_t{0};

// Replaces the whole mask, and returns the one before. Dies if a filter refuses the call, because
// handlers would then run on a block that is not a thread's.
inline std::uint64_t set_signal_mask(std::uint64_t mask) noexcept {
  std::uint64_t before = 0;
  long error = 0;
  for (int tries = 0; tries < 2; ++tries) {
    error = sys::call(SYS_rt_sigprocmask, SIG_SETMASK, &mask, &before, sizeof mask);
    if (error == 0) return before;
  }
  base::die("cannot set the signal mask of a thread: errno %ld", -error);
}

}  // namespace hilo::kernel
