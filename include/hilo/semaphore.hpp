// A counting semaphore between fibers, kernel threads, or both: limits how many of them do
// something at the same time. The interface of std::counting_semaphore, and more: it can take
// several at once, and has close().
//
//   hilo::semaphore slots(8);
//   slots.acquire();  work();  slots.release();
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "hilo/detail/api.hpp"
#include "hilo/detail/deadline.hpp"
#include "hilo/detail/decision.hpp"
#include "hilo/detail/waiter.hpp"
#include "hilo/status.hpp"

namespace hilo {

class semaphore {
 public:
  // The largest count.
  static constexpr std::ptrdiff_t max() noexcept { return PTRDIFF_MAX; }

  // Errors: a negative count aborts.
  constexpr explicit semaphore(std::ptrdiff_t count)
      : count_(count >= 0 ? count : refuse_count(count)) {}
  // Errors: destroying a semaphore while a caller waits on it aborts.
  HILO_API ~semaphore();
  semaphore(const semaphore&) = delete;
  semaphore& operator=(const semaphore&) = delete;

  // Takes `count`, all at once. First come, first served: a caller that wants few does not overtake
  // a caller that waits for many.
  // Parks: while fewer are free, or other callers wait; no stop request and no limit ends this
  // wait. Callable from: any fiber or thread. Errors: aborts if the semaphore is closed before or
  // during the call, or if the count is negative. Ordering: everything before the releases that it
  // takes from happens before acquire returns.
  void acquire(std::ptrdiff_t count = 1) noexcept {
    if (acquire_until(count, detail::until_woken) != status::ok) refuse_closed();
  }
  // The same, but a stop request or a limit ends it with cancelled or timed_out (hilo/limit.hpp),
  // and close() with closed. Unless ok, nothing is taken.
  [[nodiscard]] status acquire(interruptible_t) noexcept {
    return acquire_until(1, detail::no_deadline);
  }
  [[nodiscard]] status acquire(std::ptrdiff_t count, interruptible_t) noexcept {
    return acquire_until(count, detail::no_deadline);
  }
  // Takes `count` if that many are free, no caller waits and the semaphore is open; true if so.
  // Never parks; a false answer counts (docs/fibers.md).
  [[nodiscard]] HILO_API bool try_acquire(std::ptrdiff_t count = 1) noexcept;
  // True if it took `count`; false if the time, a stop request, a limit or close() came first.
  // Parks: as acquire.
  template <class R, class P>
  [[nodiscard]] bool try_acquire_for(std::chrono::duration<R, P> patience,
                                     std::ptrdiff_t count = 1) noexcept {
    return acquire_until(count, detail::deadline_after(patience)) == status::ok;
  }
  template <class C, class D>
  [[nodiscard]] bool try_acquire_until(std::chrono::time_point<C, D> when,
                                       std::ptrdiff_t count = 1) noexcept {
    return detail::wait_until_time(
        when, [&](std::int64_t deadline) { return acquire_until(count, deadline) == status::ok; });
  }

  // Adds `count`, and wakes the waiters whose turn comes. Never parks. Callable from: anywhere
  // except a signal handler. Errors: a negative count, or a sum over max(), aborts.
  HILO_API void release(std::ptrdiff_t count = 1) noexcept;

  // Ends all waits with closed; from now on nothing can be taken. Never parks. Callable from:
  // anywhere except a signal handler. A later release is only counted.
  HILO_API void close() noexcept;

 private:
  HILO_API static std::ptrdiff_t refuse_count(std::ptrdiff_t count) noexcept;
  [[noreturn, gnu::cold]] HILO_API static void refuse_closed() noexcept;
  HILO_API status acquire_until(std::ptrdiff_t count, std::int64_t deadline) noexcept;
  detail::wait_node* grant() noexcept;

  detail::sync_lock lock_;
  std::ptrdiff_t count_;       // guarded by lock_; less than the first waiter wants
  detail::wait_list waiters_;  // guarded by lock_; slot: how many it wants
  bool closed_ = false;        // guarded by lock_
};

// The standard's names. A semaphore counts to PTRDIFF_MAX, which is at least any `least_max`.
template <std::ptrdiff_t least_max = semaphore::max()>
using counting_semaphore = semaphore;
using binary_semaphore = semaphore;

}  // namespace hilo
