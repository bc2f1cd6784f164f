// A scope without the types of its children. runtime/sync/scope.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <stop_token>

#include "hilo/detail/api.hpp"
#include "hilo/detail/waiter.hpp"
#include "hilo/latch.hpp"
#include "hilo/limit.hpp"
#include "hilo/mutex.hpp"
#include "hilo/semaphore.hpp"

namespace hilo::detail {

// A running child, in its own frame.
struct scope_child {
  scope_child* next = nullptr;      // guarded by the scope's lock_
  scope_child* previous = nullptr;  // likewise
  waiter* who = nullptr;
};

[[noreturn]] HILO_API void refuse_shared_stack();

class HILO_API scope_core {
 public:
  // A limit of 0 is none.
  scope_core(std::size_t limit, std::int64_t deadline);
  ~scope_core();
  scope_core(const scope_core&) = delete;
  scope_core& operator=(const scope_core&) = delete;

  // Counts a child that will be spawned. Anything but ok: it must not be, and all are asked to
  // stop.
  [[nodiscard]] status admit();
  // Takes that back.
  void dismiss() noexcept;

  // In the child: the begin and the end of its call. From enter() on a stop of the scope is one of
  // the child.
  void enter(scope_child& child);
  void leave(scope_child& child) noexcept;
  // Keeps the first exception, and stops the others.
  void fail(std::exception_ptr error) noexcept;

  void request_stop() noexcept;
  std::stop_token stop_token() const noexcept { return stop_.get_token(); }

  // Waits until all children have ended. They are asked to stop when a stop request or a limit of
  // the caller comes first. cancelled: by that or by request_stop(); timed_out: by a deadline of
  // the caller's, or that of the scope passed while a child ran; ok: none of these.
  status join() noexcept;
  // The same until `deadline` at most, and the children are asked nothing.
  status wait(std::int64_t deadline) noexcept;
  std::exception_ptr take_error() noexcept;

  std::int64_t deadline() const noexcept { return deadline_; }

 private:
  void refuse_child(const char* what) const noexcept;

  // Whether a fork left the scope behind, with children that do not run in this process.
  bool left_behind() const noexcept;

  const std::uint32_t process_;
  std::stop_source stop_;
  const std::int64_t deadline_;
  const bool bounded_;
  semaphore free_;  // children that may still be started, if bounded_
  wait_group running_;
  mutex lock_;
  scope_child* children_ = nullptr;  // guarded by lock_
  bool stopped_ = false;             // likewise: all were told
  bool late_ = false;                // likewise: a child ended after the deadline
  std::exception_ptr error_;         // likewise; after join() the owner's
};

}  // namespace hilo::detail
