// A mutex that the thread holding it may take again, in 16 bytes.
//
//   hilo::kernel::recursive_mutex guard;
//   void walk(node& at) { const std::scoped_lock lock(guard); for (node& child : at) walk(child); }
//
// TimedLockable (C++20 [thread.timedmutex.recursive]). The kernel thread is the owner. A fiber that
// moves to another carrier would leave the mutex behind with its old carrier, so fibers must not
// use it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "hilo/detail/api.hpp"
#include "hilo/detail/kernel_wait.hpp"
#include "hilo/kernel/mutex.hpp"

namespace hilo::kernel {

class recursive_mutex {
 public:
  constexpr recursive_mutex() noexcept = default;
  recursive_mutex(const recursive_mutex&) = delete;
  recursive_mutex& operator=(const recursive_mutex&) = delete;

  // Takes it, also if the caller already holds it. Sleeps: while another thread holds it.
  void lock() noexcept {
    if (again()) return;
    inner_.lock();
    own();
  }
  [[nodiscard]] bool try_lock() noexcept {
    if (again()) return true;
    return inner_.try_lock() && own();
  }
  template <class Rep, class Period>
  [[nodiscard]] bool try_lock_for(const std::chrono::duration<Rep, Period>& patience) {
    if (again()) return true;
    return inner_.try_lock_for(patience) && own();
  }
  template <class Clock, class Duration>
  [[nodiscard]] bool try_lock_until(const std::chrono::time_point<Clock, Duration>& until) {
    if (again()) return true;
    return inner_.try_lock_until(until) && own();
  }

  // Callable from: the thread that holds it, as often as that thread took it; else it aborts.
  void unlock() noexcept {
    // relaxed: only the owner can find its own value here
    if (owner_.load(std::memory_order_relaxed) != caller()) [[unlikely]] {
      detail::kernel_misuse(
          "unlock of a hilo::kernel::recursive_mutex that the thread does not hold");
    }
    if (--depth_ != 0) return;
    owner_.store(0, std::memory_order_relaxed);
    inner_.unlock();
  }

 private:
  // A word that no two living threads share.
  HILO_API static std::uintptr_t caller() noexcept;

  bool again() noexcept {
    if (owner_.load(std::memory_order_relaxed) != caller()) return false;
    if (++depth_ == 0) [[unlikely]] {
      detail::kernel_misuse("a hilo::kernel::recursive_mutex is held 2^32 times");
    }
    return true;
  }
  bool own() noexcept {
    // relaxed: another thread can only read a value that is not its own
    owner_.store(caller(), std::memory_order_relaxed);
    depth_ = 1;
    return true;
  }

  mutex inner_;
  std::uint32_t depth_ = 0;  // under inner_
  std::atomic<std::uintptr_t> owner_{0};
};
static_assert(sizeof(recursive_mutex) == 8 + sizeof(void*));

}  // namespace hilo::kernel
