// Waiting for descriptors by epoll: one set for all workers of a runtime.
//
// A fiber tries its call. If the call would have to wait, the fiber arms its descriptor for one
// event. A descriptor is in the set once, for all fibers that wait for it and all their events
// together. An event wakes the fibers that it is for. They try again, and only then leave the
// descriptor's slot. A wake-up too many does no harm.
//
// At most one of the sleeping workers sleeps in epoll_wait, the others in their futex. All workers
// that are awake look from time to time. If the worker that slept in epoll_wait goes on to compute,
// the next worker that falls asleep takes its turn, or the monitor looks.
//
// A program may close the set without hilo's knowledge, as a daemon does with all numbers that it
// does not know, and may put a file of its own there. The next call that finds this out makes a new
// set and wakes all waiting fibers, which try again and arm their descriptors there. The worker
// that sleeps in the old set is interrupted (port_sleep.hpp). The same holds for the eventfd that
// wakes the sleeper.
#pragma once

#include <atomic>
#include <cstdint>

#include "hilo/detail/waiter.hpp"

#include "runtime/io/driver_descriptor.hpp"
#include "runtime/io/pending.hpp"
#include "runtime/io/port.hpp"
#include "runtime/io/port_sleep.hpp"
#include "runtime/io/request.hpp"

namespace hilo::sched {
class worker;
}

namespace hilo::io {

class poller {
 public:
  // Throws std::system_error.
  poller();
  ~poller() = default;
  poller(const poller&) = delete;
  poller& operator=(const poller&) = delete;

  // Parks until the call's descriptor is ready, and tries the call again (-EINTR: in vain). close()
  // does not return before that try, so the try meets no other file with the same number. error: an
  // errno if the descriptor cannot be waited for; EPERM if it is always ready, such as a file.
  outcome wait_and_try(const request& call, std::int64_t deadline, int& error) noexcept;

  // For a case of a select. After begin(), look() tells the case, unless begin() returns an errno
  // or the descriptor is being closed. After end(), nothing tells the case any more.
  int begin(select_poll& one, status& end) noexcept;
  void end(select_poll& one) noexcept;

  // Makes those fibers runnable whose descriptors are ready. Waits at most `timeout` ns; negative:
  // without end. Only the worker that has the turn gives a timeout that is not 0. On a carrier the
  // fibers run there. Returns true if there were some.
  bool look(std::int64_t timeout) noexcept;
  // Whether any fiber waits. relaxed: a worker that parked a fiber sees it, by its own order.
  bool in_use() const noexcept { return waiting_.load(std::memory_order_relaxed) != 0; }
  std::int64_t looked_at() const noexcept { return looked_at_.load(std::memory_order_relaxed); }

  // The turn to sleep in look().
  bool take_turn() noexcept {
    return in_use() && !asleep_.exchange(true, std::memory_order_acquire);
  }
  void end_turn() noexcept { asleep_.store(false, std::memory_order_release); }
  void wake() noexcept;

 private:
  int enter(slot& its, pending& one, status& end) noexcept;
  int arm(slot& its, int fd, std::uint32_t events) noexcept;
  void ready(int fd, std::uint32_t events, pending*& woken) noexcept;
  // Whether `error` is that of a set which is not ours any more. Then there is a new one.
  bool renewed_after(int error) noexcept;
  bool renew() noexcept;  // true: fibers were woken, perhaps into the caller's own queue
  void make_set();
  void make_wake();
  void watch_wake() noexcept;
  bool wake_everybody() noexcept;
  static void wake_all_of(pending* woken) noexcept;
  static void tell(pending& one, pending*& woken) noexcept;

  driver_descriptor set_;
  driver_descriptor wake_;                  // an eventfd in the set; the turn's holder reads it
  port_sleep sleep_;                        // of the turn's holder
  std::atomic<std::uint32_t> waiting_{0};   // how many wait; relaxed: a hint
  std::atomic<bool> asleep_{false};         // a worker has the turn
  std::atomic<std::int64_t> looked_at_{0};  // ns; relaxed: for the monitor
};

}  // namespace hilo::io
