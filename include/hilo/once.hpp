// Runs a callable once, in the first caller; for fibers, kernel threads, or both.
//
//   static hilo::once_flag ready;
//   hilo::call_once(ready, [] { load_tables(); });
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <utility>

#include "hilo/mutex.hpp"

namespace hilo {

class once_flag {
 public:
  constexpr once_flag() noexcept = default;
  once_flag(const once_flag&) = delete;
  once_flag& operator=(const once_flag&) = delete;

 private:
  template <class F, class... A>
  friend void call_once(once_flag& flag, F&& callable, A&&... arguments);

  // (O1) release, by the caller that ran the callable, after it; (O2) acquire, by each caller that
  // finds it done.
  std::atomic<bool> done_{false};
  mutex calling_;
};

// Calls callable(arguments...) unless a call through this flag has already returned. If the
// callable throws, this caller gets the exception and the next caller tries again, as with
// std::call_once.
// Parks: while another caller runs its callable; no stop request and no limit ends this wait.
// Callable from: any fiber or thread. Errors: aborts if the callable itself calls call_once with
// the same flag. Ordering: the successful call happens before every return.
template <class F, class... A>
void call_once(once_flag& flag, F&& callable, A&&... arguments) {
  if (flag.done_.load(std::memory_order_acquire)) return;  // (O2)
  const std::scoped_lock guard(flag.calling_);
  if (flag.done_.load(std::memory_order_relaxed)) return;  // written under the mutex we hold
  std::invoke(std::forward<F>(callable), std::forward<A>(arguments)...);
  flag.done_.store(true, std::memory_order_release);  // (O1)
}

}  // namespace hilo
