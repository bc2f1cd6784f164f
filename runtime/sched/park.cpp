// Parking and waking, for fibers and for kernel threads; and the ways to wait that are nothing but
// parking: yield and sleep.
//
// park() and yield() end in a jump to the switch, which returns to their caller by itself; they
// keep nothing on the stack (runtime/context/context.hpp says what that saves).

#include <cerrno>
#include <chrono>
#include <ctime>

#include <sched.h>

#include "hilo/detail/waiter.hpp"
#include "hilo/fiber.hpp"

#include "runtime/base/check.hpp"
#include "runtime/sched/worker.hpp"
#include "runtime/sys/futex.hpp"

namespace hilo {
namespace detail {
namespace {

using sched::fiber;
using sched::worker;

// The waiter of a thread that runs no fiber. It outlives every wait of its thread.
waiter& thread_waiter() noexcept {
  static thread_local waiter one{waiter_kind::thread};
  return one;
}

status park_thread(waiter& self) noexcept {
  // (W2) acquire: pairs with (W1). A futex wake may be meant for another; only the word counts.
  while (self.woken.load(std::memory_order_acquire) == 0) sys::futex_wait(self.woken, 0);
  self.woken.store(0, std::memory_order_relaxed);  // ours alone until it is linked again
  return self.result;
}

}  // namespace

waiter& current_waiter() noexcept {
  worker* const here = sched::current_worker();
  return here != nullptr ? static_cast<waiter&>(here->running()) : thread_waiter();
}

status park(waiter& self, const char* reason) noexcept {
  worker* const here = sched::current_worker();
  if (here == nullptr) return park_thread(self);
  fiber& me = here->running();
  me.parked_on = reason;
  fiber* next = here->pick();
  if (next == &me) return static_cast<status>(me.context.result);  // woken before it left
  return static_cast<status>(here->switch_to(next != nullptr ? *next : here->base()));
}

void wake(waiter& who, status result) noexcept {
  if (who.kind == waiter_kind::thread) {
    who.result = result;
    sys::futex_word& word = who.woken;
    word.store(1, std::memory_order_release);  // (W1) from here on `who` may be gone
    sys::futex_wake_one(&word);                // uses the address as a name only
    return;
  }
  fiber& one = fiber::of(who);
  one.context.result = static_cast<std::uint32_t>(result);
  worker* const here = sched::current_worker();
  if (here != nullptr && &here->home() == one.home) return here->run_next(one);
  one.home->inject_as_guest(one);
}

std::int64_t monotonic_now() noexcept {
  return std::chrono::steady_clock::now().time_since_epoch().count();
}

void sleep_until_ns(std::int64_t when) noexcept {
  worker* const here = sched::current_worker();
  if (here == nullptr) {
    timespec until{.tv_sec = when / 1'000'000'000, .tv_nsec = when % 1'000'000'000};
    while (::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) == EINTR) {
    }
    return;
  }
  if (when <= monotonic_now()) return yield();
  struct alarm : sched::timer {
    explicit alarm(waiter& sleeper) noexcept
        : timer([](timer& self) noexcept { return static_cast<alarm&>(self).who; }),
          who(&sleeper) {}
    waiter* who;
  };
  alarm at_time(current_waiter());
  here->timers().arm(at_time, when);
  (void)park(*at_time.who, "sleep");
}

}  // namespace detail

void yield() noexcept {
  sched::worker* const here = sched::current_worker();
  if (here == nullptr) {
    ::sched_yield();
    return;
  }
  sched::fiber& me = here->running();
  sched::fiber* const next = here->pick();
  if (next == nullptr) return;
  here->run_later(me);
  here->switch_to(*next);
}

namespace this_fiber {

fiber_id id() noexcept {
  sched::worker* const here = sched::current_worker();
  return here == nullptr ? fiber_id{} : fiber_id{here->running().id};
}

std::stop_token stop_token() {
  sched::worker* const here = sched::current_worker();
  return here == nullptr ? std::stop_token() : detail::stop_token_of(here->running());
}

}  // namespace this_fiber
}  // namespace hilo
