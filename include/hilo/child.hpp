// A child made by hilo::clone (clone.hpp): waits for its end, and tells how it ended.
//
//   hilo::child worker = hilo::clone().start([] { return 3; });
//   const hilo::exit_status end = worker.wait();
//   if (end.exited()) std::printf("it exited with %d\n", end.code());
//   else std::printf("it was %s\n", end.describe().c_str());
//
// For threads use hilo::thread, for programs to run hilo::process (hilo/process.hpp).
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include <sys/types.h>

#include "hilo/detail/api.hpp"
#include "hilo/detail/deadline.hpp"
#include "hilo/detail/kernel_wait.hpp"

namespace hilo {

namespace detail {
struct child_record;
}

// How a child ended (waitid(2)).
class exit_status {
 public:
  enum class kind {
    exited,       // it ended by itself, with a code
    killed,       // by a signal
    core_dumped,  // by a signal, and the kernel wrote its memory to a file
    // It ended, and this process cannot see the status: a thread leaves none, a child of our parent
    // (share::parent) leaves it to that parent, or another wait was first.
    unseen,
  };

  constexpr exit_status() noexcept = default;  // unseen
  constexpr exit_status(kind how, int value) noexcept : how_(how), value_(value) {}

  constexpr kind how() const noexcept { return how_; }
  constexpr bool exited() const noexcept { return how_ == kind::exited; }
  // The low 8 bits of what the child returned or exited with; -1 unless exited().
  constexpr int code() const noexcept { return exited() ? value_ : -1; }
  // The signal that killed it; 0 when none did.
  constexpr int signal() const noexcept {
    return how_ == kind::killed || how_ == kind::core_dumped ? value_ : 0;
  }
  constexpr bool operator==(const exit_status&) const noexcept = default;

  // "exited with 3", "killed by SIGTERM", "killed by SIGSEGV, core dumped", "ended, status unseen".
  HILO_API std::string describe() const;

 private:
  kind how_ = kind::unseen;
  int value_ = 0;
};

// The only owner of a child. It is not synchronised: one caller at a time.
class HILO_API child {
 public:
  child() noexcept = default;
  explicit child(detail::child_record* made) noexcept : record_(made) {}
  child(child&& other) noexcept : record_(std::exchange(other.record_, nullptr)) {}
  child& operator=(child&& other) noexcept {
    child(std::move(other)).swap(*this);
    return *this;
  }
  // Waits for the child, if there is one, because the things that it shares must outlive it.
  ~child();

  void swap(child& other) noexcept { std::swap(record_, other.record_); }

  // Whether this holds a child that was neither waited for nor released.
  [[nodiscard]] explicit operator bool() const noexcept { return record_ != nullptr; }

  // The child's number as its maker sees it (with share::thread_group: its thread number); 0 if
  // there is no child.
  [[nodiscard]] pid_t id() const noexcept;

  // Waits for the child's end and collects it (waitid(2) with __WALL, so with any exit signal). No
  // stop request and no limit ends the wait.
  // Parks: a fiber; its carrier goes on. Callable from: anywhere except a signal handler. Ordering:
  // with share::memory, everything that the child did happens before the return.
  // Errors: std::system_error: EINVAL if there is no child; in a fiber also if no descriptor is
  // available to watch the child or, for a thread (share::thread_group), no kernel thread.
  exit_status wait();

  // Waits until the deadline at most. Empty: the deadline passed, or a stop request or a limit
  // ended the wait of a fiber; the child can still be waited for.
  // Errors: as wait; a thread needs a descriptor too.
  template <class Clock, class Duration>
  [[nodiscard]] std::optional<exit_status> wait_until(
      const std::chrono::time_point<Clock, Duration>& when) {
    std::optional<exit_status> end;
    (void)detail::wait_until_time(when, [&](std::int64_t deadline) {
      end = wait_by(std::chrono::steady_clock::time_point(std::chrono::nanoseconds(deadline)));
      return end.has_value();
    });
    return end;
  }
  template <class Rep, class Period>
  [[nodiscard]] std::optional<exit_status> wait_for(
      const std::chrono::duration<Rep, Period>& patience) {
    return wait_by(detail::kernel_time_after(patience));
  }

  // A descriptor of the child (pidfd_open(2)), which polls readable once the child has ended. It
  // belongs to the handle. With with::pidfd clone itself makes it, else the first call
  // does.
  // Errors: std::system_error: no child, or no descriptor available.
  int pidfd();

  // Sends a signal (kill(2)). Has no race: until wait the number cannot belong to another process.
  // Errors: std::system_error: no child, EPERM, EINVAL for a signal that does not exist.
  void kill(int signal);

  // Gives up the child and returns its number. From now on the caller must wait for it, with
  // waitpid(2). If hilo made the child's stack and thread block, they are freed when the child's
  // function returns, and lost if the child ends in any other way.
  pid_t release() noexcept;

 private:
  std::optional<exit_status> wait_by(std::chrono::steady_clock::time_point deadline);

  detail::child_record* record_ = nullptr;
};

}  // namespace hilo
