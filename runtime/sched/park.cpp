// Parking and waking, for fibers and for kernel threads; and the ways to wait that are nothing but
// parking: yield and sleep.
//
// park() and yield() end in a jump to the switch, which returns to their caller by itself; they
// keep nothing on the stack (runtime/context/context.hpp says what that saves).

#include <cerrno>
#include <chrono>
#include <ctime>
#include <mutex>

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

status park_thread_until(waiter& self, spin_lock& lock, std::int64_t deadline) noexcept {
  const sys::futex_clock::time_point when{std::chrono::nanoseconds(deadline)};
  while (self.woken.load(std::memory_order_acquire) == 0) {  // (W2)
    if (sys::futex_wait_until(self.woken, 0, when) != -ETIMEDOUT) continue;
    const std::scoped_lock guard(lock);
    if (self.list == nullptr) break;  // a waker took us: its wake comes
    self.list->remove(self);
    return status::timed_out;
  }
  return park_thread(self);
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

status wait_in(wait_list& list, spin_lock& held, void* slot, const char* reason) noexcept {
  waiter& self = current_waiter();
  self.slot = slot;
  list.push(self);
  held.unlock();
  return park(self, reason);
}

status wait_in_until(wait_list& list, spin_lock& held, void* slot, std::int64_t deadline,
                     const char* reason) noexcept {
  waiter& self = current_waiter();
  self.slot = slot;
  list.push(self);
  held.unlock();
  return park_until(self, held, deadline, reason);
}

status park_until(waiter& self, spin_lock& lock, std::int64_t deadline,
                  const char* reason) noexcept {
  if (deadline == no_deadline) return park(self, reason);
  worker* const here = sched::current_worker();
  if (here == nullptr) return park_thread_until(self, lock, deadline);
  struct limit : sched::timer {
    limit(waiter& waiting, spin_lock& its_lock) noexcept
        : timer([](timer& one) noexcept { return static_cast<limit&>(one).claim_wait(); }),
          who(&waiting),
          list_lock(&its_lock) {}
    // The waiter if this came first; then it is unlinked and nobody else will wake it.
    waiter* claim_wait() const noexcept {
      const std::scoped_lock guard(*list_lock);
      if (who->list == nullptr) return nullptr;
      who->list->remove(*who);
      return who;
    }
    waiter* who;
    spin_lock* list_lock;
  };
  limit at_deadline(self, lock);
  here->timers().arm(at_deadline, deadline);
  const status result = park(self, reason);
  // Another waker was first, or will be taken for it: either way the timer must leave our frame.
  if (result != status::timed_out) at_deadline.wheel->cancel(at_deadline);
  return result;
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
