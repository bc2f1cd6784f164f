// Mutual exclusion between fibers, kernel threads, or both. Lockable, so std::scoped_lock and
// std::unique_lock work with it (C++20 [thread.req.lockable]). Not recursive. Not for signal
// handlers.
//
//   hilo::mutex guard;
//   { std::scoped_lock lock(guard); ++shared; }
#pragma once

#include <atomic>
#include <cstdint>

#include "hilo/detail/api.hpp"
#include "hilo/detail/spin_lock.hpp"
#include "hilo/detail/waiter.hpp"

namespace hilo {

class mutex {
 public:
  constexpr mutex() noexcept = default;
  // Errors: destroying a mutex that is held or waited for aborts.
  ~mutex() {
    if (state_.load(std::memory_order_relaxed) != open) [[unlikely]]
      destroyed_in_use();
  }
  mutex(const mutex&) = delete;
  mutex& operator=(const mutex&) = delete;

  // Takes the mutex. A fiber keeps its place: after it waited twice in vain, the next unlock hands
  // the mutex over to it. Parks: while another holds it. Callable from: any fiber or thread.
  // Ordering: all that the last holder did happens before lock returns.
  void lock() noexcept {
    if (!try_lock()) [[unlikely]]
      lock_slow();
  }

  // Takes the mutex if it is free; true if so. Never parks. Ordering: as lock, when true.
  [[nodiscard]] bool try_lock() noexcept {
    std::uint32_t expected = open;
    // (X1) acquire: pairs with (X2).
    return state_.compare_exchange_strong(expected, held, std::memory_order_acquire,
                                          std::memory_order_relaxed);
  }

  // Gives the mutex up and wakes one that waits. Never parks. Callable from: the fiber or thread
  // that holds it; giving up a free mutex aborts.
  void unlock() noexcept {
    std::uint32_t expected = held;
    // (X2) release: publishes the critical section.
    if (!state_.compare_exchange_strong(expected, open, std::memory_order_release,
                                        std::memory_order_relaxed)) [[unlikely]] {
      unlock_slow();
    }
  }

 private:
  // contended: held, and somebody may wait in waiters_.
  static constexpr std::uint32_t open = 0, held = 1, contended = 2;

  HILO_API void lock_slow() noexcept;
  HILO_API void unlock_slow() noexcept;
  [[noreturn]] HILO_API void destroyed_in_use() noexcept;

  std::atomic<std::uint32_t> state_{open};
  detail::spin_lock queue_lock_;
  detail::wait_list waiters_;  // guarded by queue_lock_
};

}  // namespace hilo
