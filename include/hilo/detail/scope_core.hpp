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
  bool claimed = false;  // guarded by lock_; its wait is ended by the stop that goes on
};

[[noreturn]] HILO_API void refuse_shared_stack();

class HILO_API scope_core {
 public:
  // limit 0: no limit.
  scope_core(std::size_t limit, std::int64_t deadline);
  ~scope_core();
  scope_core(const scope_core&) = delete;
  scope_core& operator=(const scope_core&) = delete;

  // Counts a child that will be spawned. Unless ok, the child must not be spawned, and all are
  // asked to stop.
  [[nodiscard]] status admit();
  // Waits until admit() would not wait, until `deadline` at most. Does not ask the children to
  // stop.
  status wait_for_room(std::int64_t deadline) noexcept;
  // Undoes the count of admit(), after a failed spawn or at the child's end.
  void dismiss() noexcept;

  // In the child: the begin and the end of its call. From enter() on, a stop of the scope also
  // stops the child.
  void enter(scope_child& child);
  void leave(scope_child& child) noexcept;
  // Keeps the first exception, and stops the others.
  void fail(std::exception_ptr error) noexcept;

  void request_stop() noexcept;
  std::stop_token stop_token() const noexcept { return stop_.get_token(); }

  // Waits until all children have ended. If a stop request or a limit of the caller comes first,
  // the children are asked to stop. Returns cancelled if a stop request of the caller or
  // request_stop() stopped them; timed_out if a deadline of the caller did, or if the scope's
  // deadline passed while a child ran; else ok.
  status join() noexcept;
  // The same until `deadline` at most, and the children are not asked to stop.
  status wait(std::int64_t deadline) noexcept;
  std::exception_ptr take_error() noexcept;

  std::int64_t deadline() const noexcept { return deadline_; }

 private:
  void refuse_child(const char* what) const noexcept;

  // Whether this process is a fork's child and the scope is the parent's: its children do not run
  // here.
  bool left_behind() const noexcept;

  const std::uint32_t process_;
  std::stop_source stop_;
  const std::int64_t deadline_;
  const bool bounded_;
  semaphore free_;  // children that may still be started, if bounded_
  wait_group running_;
  mutex lock_;
  scope_child* children_ = nullptr;  // guarded by lock_
  bool stopped_ = false;             // likewise: all children were asked to stop
  bool late_ = false;                // likewise: a child ended after the deadline
  std::exception_ptr error_;         // likewise; after join() only the owner uses it
};

}  // namespace hilo::detail
