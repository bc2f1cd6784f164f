// hilo::child: the end of a child, seen by the process that made it.
#include "runtime/thread/clone_child.hpp"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hilo/child.hpp"
#include "hilo/detail/waiter.hpp"

#include "runtime/base/error.hpp"
#include "runtime/base/signal_name.hpp"
#include "runtime/sys/syscall.hpp"
#include "runtime/thread/clone_records.hpp"

namespace hilo {
namespace kernel {
namespace {

void check_held(const child_record* record, const char* what) {
  if (record == nullptr) {
    base::fail(EINVAL, what,
               "the handle has none: it was waited for, released, moved from or never started");
  }
}

// Returns -errno, or the descriptor.
int open_descriptor(child_record& one) noexcept {
  if (one.pidfd >= 0) return one.pidfd;
  const unsigned thread_too = one.kind == child_record::relation::thread ? O_EXCL : 0;
  const long opened = sys::call(SYS_pidfd_open, one.id, thread_too);  // PIDFD_THREAD is O_EXCL
  if (opened >= 0) one.pidfd = static_cast<int>(opened);
  return static_cast<int>(opened);
}

[[noreturn, gnu::cold]] void fail_to_open(int error, const child_record& one) {
  std::string hint = "no descriptor is left: see ulimit -n and fs.file-max";
  if (error == ESRCH) hint = "another waiter has collected it, or SIGCHLD is ignored";
  if (error == ENOSYS) hint = "this needs Linux 5.3, or a seccomp filter that allows pidfd_open";
  if (error == EINVAL) hint = "descriptors of threads need Linux 6.9";
  base::fail(error, "open a descriptor of child " + std::to_string(one.id), hint);
}

exit_status decode(const siginfo_t& info) noexcept {
  switch (info.si_code) {
    case CLD_EXITED:
      return {exit_status::kind::exited, info.si_status};
    case CLD_DUMPED:
      return {exit_status::kind::core_dumped, info.si_status};
    default:
      return {exit_status::kind::killed, info.si_status};
  }
}

constexpr exit_status unseen{exit_status::kind::unseen, 0};

exit_status collect(const child_record& one) noexcept {
  siginfo_t info{};
  long error = 0;
  do {
    error = sys::call(SYS_waitid, P_PID, one.id, &info, WEXITED | __WALL, nullptr);
  } while (error == -EINTR);
  return error == 0 ? decode(info) : unseen;  // ECHILD: another waiter collected it
}

std::optional<exit_status> wait(child_record& one, until deadline) {
  using relation = child_record::relation;
  if (one.kind == relation::thread) {
    if (!wait_cleared(*one.gone, deadline)) return std::nullopt;
    return unseen;
  }
  const bool plain = one.kind == relation::child && !deadline.has_value() &&
                     detail::current_waiter().kind == detail::waiter_kind::thread;
  if (!plain) {
    const int descriptor = open_descriptor(one);
    if (descriptor < 0 && descriptor != -ESRCH) fail_to_open(-descriptor, one);
    if (descriptor >= 0 && !wait_readable(descriptor, deadline)) return std::nullopt;
  }
  return one.kind == relation::sibling ? unseen : collect(one);
}

// Keeps a record that can neither be used again nor freed, where leak checkers find it.
void lose(child_record* one) noexcept {
  static std::atomic<child_record*> lost{nullptr};
  one->next_lost = lost.load(std::memory_order_relaxed);  // only a guess for the exchange
  // release: publishes next_lost to a debugger; nothing else reads the list
  while (!lost.compare_exchange_weak(one->next_lost, one, std::memory_order_release,
                                     std::memory_order_relaxed)) {
  }
}

}  // namespace

void discard(child_record* ended) noexcept {
  if (ended->pidfd >= 0) sys::call(SYS_close, std::exchange(ended->pidfd, -1));
  if (record* const home = ended->home) {
    // acquire: pairs with (C1); the block was made new
    if (home->owner.load(std::memory_order_acquire) != release_by::ended) {
      // The child ended elsewhere, perhaps inside malloc: no other thread may get its block.
      home->memory = stack();
      return lose(ended);
    }
    clone_records().release(home);
  }
  delete ended;
}

}  // namespace kernel

std::string exit_status::describe() const {
  if (how_ == kind::unseen) return "ended, status unseen";
  if (exited()) return "exited with " + std::to_string(value_);
  return "killed by " + base::signal_name(value_) +
         (how_ == kind::core_dumped ? ", core dumped" : "");
}

child::~child() {
  if (record_ == nullptr) return;
  try {
    wait();
  } catch (const std::system_error&) {
    // A fiber waits, and the watch could not be set up (no descriptor or no thread). So the carrier
    // waits. The child's stack and block must not be given back before the child's end.
    if (record_->kind == detail::child_record::relation::thread) {
      kernel::sleep_cleared(*record_->gone, std::nullopt);
    } else if (record_->kind == detail::child_record::relation::sibling) {
      kernel::sleep_readable(record_->pidfd, std::nullopt);
    } else {
      (void)kernel::collect(*record_);
    }
    kernel::discard(record_);
  }
}

pid_t child::id() const noexcept {
  return record_ == nullptr ? 0 : record_->id;
}

exit_status child::wait() {
  kernel::check_held(record_, "wait for a child");
  const std::optional<exit_status> end = kernel::wait(*record_, std::nullopt);
  kernel::discard(std::exchange(record_, nullptr));
  return *end;
}

std::optional<exit_status> child::wait_by(std::chrono::steady_clock::time_point deadline) {
  kernel::check_held(record_, "wait for a child");
  const std::optional<exit_status> end = kernel::wait(*record_, deadline);
  if (end.has_value()) kernel::discard(std::exchange(record_, nullptr));
  return end;
}

int child::pidfd() {
  kernel::check_held(record_, "open a descriptor of a child");
  const int descriptor = kernel::open_descriptor(*record_);
  if (descriptor < 0) kernel::fail_to_open(-descriptor, *record_);
  return descriptor;
}

void child::kill(int signal) {
  kernel::check_held(record_, "signal a child");
  long error = 0;
  if (record_->kind == detail::child_record::relation::thread) {
    error = sys::call(SYS_tgkill, ::getpid(), record_->id, signal);
  } else if (record_->pidfd >= 0) {
    error = sys::call(SYS_pidfd_send_signal, record_->pidfd, signal, nullptr, 0);
  } else {
    error = sys::call(SYS_kill, record_->id, signal);
  }
  if (error == 0) return;
  std::string hint = "it has other rights than the caller";
  if (error == -ESRCH) hint = "it has ended";
  if (error == -EINVAL) hint = "there is no signal " + std::to_string(signal);
  base::fail(static_cast<int>(-error), "signal child " + std::to_string(record_->id), hint);
}

pid_t child::release() noexcept {
  if (record_ == nullptr) return 0;
  detail::child_record* const record = std::exchange(record_, nullptr);
  const pid_t id = record->id;
  if (record->gone == nullptr) {
    kernel::discard(record);
    return id;
  }
  // The child still uses its stack and block. If the record's own word tells when they are free,
  // the child gives them back itself. In every other case it is not known when they are free, and
  // they are lost. They are also lost if the child ends elsewhere than at the end of its function.
  if (kernel::record* const home = record->home; home != nullptr && record->gone == &home->alive) {
    record->home = nullptr;
    kernel::discard(record);
    // (C2) of clone_backend.cpp
    if (home->owner.exchange(kernel::release_by::detached, std::memory_order_acq_rel) ==
        kernel::release_by::ended) {
      kernel::clone_records().release_when_gone(home);
    }
    return id;
  }
  if (record->pidfd >= 0) sys::call(SYS_close, std::exchange(record->pidfd, -1));
  kernel::lose(record);
  return id;
}

}  // namespace hilo
