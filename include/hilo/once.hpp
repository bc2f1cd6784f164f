// Something done once, by whoever comes first, for fibers, kernel threads, or both.
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

  // (O1) release by who called, after the call; (O2) acquire by those who find it done.
  std::atomic<bool> done_{false};
  mutex calling_;
};

// Calls callable(arguments...) unless a call through this flag returned before. When it throws, the
// caller gets the exception and the next one tries again, as with std::call_once.
// Parks: while another calls; no stop request and no limit ends this. Callable from: any fiber or
// thread. Errors: called by the callable itself with the same flag, it aborts. Ordering: the call
// happens before every return.
template <class F, class... A>
void call_once(once_flag& flag, F&& callable, A&&... arguments) {
  if (flag.done_.load(std::memory_order_acquire)) return;  // (O2)
  const std::scoped_lock guard(flag.calling_);
  if (flag.done_.load(std::memory_order_relaxed)) return;  // written under the mutex we hold
  std::invoke(std::forward<F>(callable), std::forward<A>(arguments)...);
  flag.done_.store(true, std::memory_order_release);  // (O1)
}

}  // namespace hilo
