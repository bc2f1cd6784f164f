// Waiting for descriptors by epoll: one set for all workers of a runtime.
//
// A fiber tries its call, and if it would have to wait, arms its descriptor for one event (a
// descriptor is in the set once, for all that wait for it, with what they want together). An event
// wakes those it is for, who try again, and only then leave the descriptor's slot; a wake-up too
// many does no harm.
//
// Of the workers that sleep at most one sleeps in epoll_wait, the others in their futex; all that
// are awake look from time to time. If the one that slept there goes on to compute, the next to
// fall asleep takes its turn, or the monitor looks.
//
// A program may close the set behind our back, as a daemon does with all numbers that it does not
// know. Then the next look makes a new set at the same number, and arms all that waits again. Only
// if the program has put another file there, fibers wait until a limit ends them.
#pragma once

#include <atomic>
#include <cstdint>

#include "hilo/detail/waiter.hpp"

#include "runtime/io/pending.hpp"
#include "runtime/io/port.hpp"
#include "runtime/io/request.hpp"
#include "runtime/sys/own_descriptor.hpp"

namespace hilo::sched {
class worker;
}

namespace hilo::io {

class poller {
 public:
  // Throws std::system_error.
  poller();
  ~poller();
  poller(const poller&) = delete;
  poller& operator=(const poller&) = delete;

  // Parks until the call's descriptor is ready, and tries the call again (-EINTR: in vain), before
  // which close() does not return: so that it meets no other file by the number. error: an errno if
  // the descriptor cannot be waited for, EPERM for what is always ready, such as files.
  outcome wait_and_try(const request& call, std::int64_t deadline, int& error) noexcept;

  // For a case of a select: begin() has look() tell it, unless it returns an errno or the
  // descriptor is being closed, and end() has nobody tell it any more.
  int begin(select_poll& one, status& end) noexcept;
  void end(select_poll& one) noexcept;

  // Makes those runnable whose descriptors are ready, after at most `timeout` ns; negative: without
  // end. Who has the turn gives a timeout that is not 0. On a carrier: they run there. True: there
  // were some.
  bool look(std::int64_t timeout) noexcept;
  // Whether anybody waits. relaxed: a worker that parked one sees it, by its own order.
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
  void renew() noexcept;

  sys::own_descriptor set_;
  sys::own_descriptor wake_;  // an eventfd in the set; the fiber that has the turn reads it
  std::atomic<std::uint32_t> waiting_{0};   // who waits; relaxed: a hint
  std::atomic<bool> asleep_{false};         // somebody has the turn
  std::atomic<std::int64_t> looked_at_{0};  // ns; relaxed: for the monitor
};

}  // namespace hilo::io
