#include "runtime/io/program_start.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>

#include <fcntl.h>

#include "runtime/sys/syscall.hpp"

namespace hilo::io {
namespace {

using step = process_error::step;

constexpr int exec_failed = 127;  // as in a shell

long redirect(std::array<int, 3> from) noexcept {
  // First move them out of the way, so that none is overwritten before it was used.
  for (int target = 0; target < 3; ++target) {
    int& source = from[static_cast<std::size_t>(target)];
    if (source < 0 || source > 2 || source == target) continue;
    const long moved = sys::call(SYS_fcntl, source, F_DUPFD_CLOEXEC, 3);
    if (moved < 0) return moved;
    source = static_cast<int>(moved);
  }
  for (int target = 0; target < 3; ++target) {
    const int source = from[static_cast<std::size_t>(target)];
    if (source < 0) continue;
    // A descriptor that already has the right number would stay close-on-exec.
    const long done = source == target ? sys::call(SYS_fcntl, source, F_SETFD, 0)
                                       : sys::call(SYS_dup3, source, target, 0);
    if (done < 0) return done;
  }
  return 0;
}

// Handlers are the parent's code. Once signals are unblocked, no handler may run here, in the
// parent's memory.
void reset_signals() noexcept {
  // The kernel's struct sigaction: the handler first, then flags and a mask. On some CPUs a
  // restorer is between them.
  struct action {
    std::uintptr_t handler;
    std::uint64_t rest[3];
  };
  static_assert(SIG_DFL == nullptr);
  const auto ignored = reinterpret_cast<std::uintptr_t>(SIG_IGN);
  constexpr int last = 64;
  for (int signal = 1; signal <= last; ++signal) {
    action one{};
    if (sys::call(SYS_rt_sigaction, signal, nullptr, &one, sizeof(std::uint64_t)) < 0) continue;
    if (one.handler == 0 || (one.handler == ignored && signal != SIGPIPE)) continue;
    const action standard{};
    sys::call(SYS_rt_sigaction, signal, &standard, nullptr, sizeof(std::uint64_t));
  }
  const std::uint64_t none = 0;
  sys::call(SYS_rt_sigprocmask, SIG_SETMASK, &none, nullptr, sizeof none);
}

// Like execvp(3): skips a file that does not exist or may not be run. In the second case the final
// result says so.
long execute(const start_plan& plan) noexcept {
  long result = -ENOENT;
  for (const char* const* path = plan.candidates; *path != nullptr; ++path) {
    const long error = sys::call(SYS_execve, *path, plan.arguments, plan.environment);
    if (error != -EACCES && error != -ENOENT && error != -ENOTDIR) return error;
    if (result != -EACCES) result = error;
  }
  return result;
}

int fail(const start_plan& plan, step at, long error) noexcept {
  plan.report->at = at;
  plan.report->error = static_cast<int>(-error);
  return exec_failed;
}

}  // namespace

int become_program(const start_plan& plan) noexcept {
  if (const long done = redirect(plan.streams); done < 0) return fail(plan, step::redirect, done);
  if (plan.group >= 0) {
    const long done = sys::call(SYS_setpgid, 0, plan.group);
    if (done < 0) return fail(plan, step::group, done);
  }
  if (plan.directory != nullptr) {
    const long done = sys::call(SYS_chdir, plan.directory);
    if (done < 0) return fail(plan, step::directory, done);
  }
  reset_signals();
  return fail(plan, step::exec, execute(plan));
}

}  // namespace hilo::io
