// The end of a kernel thread, for fibers that join it.
//
// A thread that joins sleeps on the word that the kernel clears. A fiber must not do that: it would
// hold its carrier for as long as the joined thread runs. So the fiber parks until the joined
// thread announces that it will run nothing more of the program. After that only the thread's exit
// is left, and the fiber waits for that in the same way as any joiner.
//
//   the fiber                                 the thread, at its end
//   lock; running -> awaited, or it ended     exchange: ended. If it was awaited:
//   link its waiter; unlock; park             lock; unlink; unlock; wake
//
// If no fiber waits for a thread, the thread pays one exchange. A deadline that passes leaves
// `awaited` and an empty list.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "hilo/detail/spin_lock.hpp"
#include "hilo/detail/waiter.hpp"

#include "runtime/thread/backend.hpp"
#include "runtime/thread/forked_process.hpp"

namespace hilo::kernel {

class ending {
 public:
  // Called before a start: a record serves one thread after another.
  void begin() noexcept { state_.store(running, std::memory_order_relaxed); }  // ordered by clone

  // Called in the thread, after everything that the program runs in it.
  void announce() noexcept {
    // (E1) acq_rel: pairs with (E2); an awaiter was linked before its lock is free
    if (state_.exchange(ended, std::memory_order_acq_rel) != awaited) return;
    lock_.lock();
    detail::wait_node* const all = fibers_.take_all();
    lock_.unlock();
    detail::wake_all(all, status::ok);
  }

  // Parks the calling fiber until announce(). With a deadline: returns false if the deadline, a
  // stop request or a limit ended the wait first.
  bool await(deadline until) noexcept {
    lock_.lock();
    std::uint32_t state = running;
    // (E2) acq_rel: pairs with (E1). The second of this exchange and the thread's end sees the
    // first.
    if (!state_.compare_exchange_strong(state, awaited, std::memory_order_acq_rel,
                                        std::memory_order_acquire) &&
        state == ended) {
      lock_.unlock();
      return true;
    }
    const std::int64_t then = until.has_value()
                                  ? std::max<std::int64_t>(0, until->time_since_epoch().count())
                                  : detail::until_woken;
    return detail::wait_in_until(fibers_, lock_, nullptr, then, "thread join") == status::ok;
  }

 private:
  enum : std::uint32_t { running, awaited, ended };

  // Written by the thread at its end and by fibers under lock_.
  std::atomic<std::uint32_t> state_{running};
  detail::spin_lock lock_;
  detail::wait_list fibers_;  // under lock_
};

}  // namespace hilo::kernel

namespace hilo::detail {

// A handle points at this. Each backend derives its own type.
struct kernel_thread {
  kernel::ending end;
  std::uint32_t process =
      0;  // that it runs in (forked_process.hpp); written and read by its handle

  bool left_behind() const noexcept { return process != kernel::process_number(); }
};

}  // namespace hilo::detail
