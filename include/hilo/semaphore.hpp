// A counting semaphore between fibers, kernel threads, or both: how many may be at something at
// once. The interface is std::counting_semaphore's.
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
  // The most that it counts to.
  static constexpr std::ptrdiff_t max() noexcept { return PTRDIFF_MAX; }

  // Errors: a negative count aborts.
  HILO_API explicit semaphore(std::ptrdiff_t count);
  // Errors: destroying one that is waited on aborts.
  HILO_API ~semaphore();
  semaphore(const semaphore&) = delete;
  semaphore& operator=(const semaphore&) = delete;

  // Takes one. First come, first served.
  // Parks: while there is none; no stop request and no limit ends this. Callable from: any fiber or
  // thread. Ordering: what happened before the release of what it takes happens before it returns.
  void acquire() noexcept { (void)acquire_until(detail::until_woken); }
  // The same, but ends with cancelled or timed_out, and takes nothing, when a stop request or a
  // limit comes first (hilo/limit.hpp).
  [[nodiscard]] status acquire(interruptible_t) noexcept {
    return acquire_until(detail::no_deadline);
  }
  [[nodiscard]] HILO_API bool try_acquire() noexcept;
  template <class R, class P>
  [[nodiscard]] bool try_acquire_for(std::chrono::duration<R, P> patience) noexcept {
    return acquire_until(detail::deadline_after(patience)) == status::ok;
  }
  template <class C, class D>
  [[nodiscard]] bool try_acquire_until(std::chrono::time_point<C, D> when) noexcept {
    return acquire_until(detail::deadline_at(when)) == status::ok;
  }

  // Adds `count`, and wakes as many as wait for it. Never parks. Callable from: anywhere.
  // Errors: a negative count, or a sum over max(), aborts.
  HILO_API void release(std::ptrdiff_t count = 1) noexcept;

 private:
  HILO_API status acquire_until(std::int64_t deadline) noexcept;

  detail::sync_lock lock_;
  std::ptrdiff_t count_;       // guarded by lock_; 0 while anybody waits
  detail::wait_list waiters_;  // guarded by lock_
};

}  // namespace hilo
