// Where a carrier sleeps, and how it is woken: in a futex, or in a port of the I/O driver.
//
//   asleep -> awake     its waker (K1); a futex wake follows
//   asleep -> in_port   its carrier, before it sleeps in the port
//   in_port -> awake    its waker (K1), which then ends the port's wait
//   in_port -> asleep   its carrier, after the port's wait
//   any -> asleep       its carrier, before it lets itself be woken: make()
//
// One wake-up belongs to one sleep: the waker takes the worker out of the sleepers or the spares
// first, and a carrier that finds itself taken out waits for its wake-up.
#pragma once

#include <atomic>
#include <cstdint>

#include "runtime/base/cpu.hpp"
#include "runtime/sched/driver.hpp"
#include "runtime/sys/futex.hpp"

namespace hilo::sched {

class bed {
 public:
  // --- for its carrier ---

  // Before other threads learn that they may wake it.
  void make() noexcept { woken_.store(asleep, std::memory_order_relaxed); }
  // (K2) acquire: pairs with (K1); the waker's work is there.
  bool woken() const noexcept { return woken_.load(std::memory_order_acquire) == awake; }
  // Sleeps once: until it is woken, or until the time (ns; timer_wheel::never: without end), or for
  // no reason. In `where`, or in the futex if that is null. True: the port made fibers runnable.
  bool doze(std::int64_t until, port* where) noexcept;
  // Sleeps until it is woken.
  void await_wake_up() noexcept;
  // False: the time came first.
  bool await_wake_up_until(std::int64_t when) noexcept;

  // --- from any thread ---

  void wake_up() noexcept;

 private:
  // Written by the waker with acq_rel (K1), which publishes its work. in_port is set with release,
  // so that the waker sees the port.
  enum : std::uint32_t { asleep, awake, in_port };
  alignas(base::cache_line) sys::futex_word woken_{asleep};
  // The port it sleeps in, or slept in last. Published by (K1). relaxed: a late waker may read it
  // while the next sleep begins, and then wakes that port without need.
  std::atomic<port*> port_{nullptr};
};

}  // namespace hilo::sched
