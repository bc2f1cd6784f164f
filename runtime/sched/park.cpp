// Parking and waking, for fibers and for kernel threads; and yielding.
//
// park() and yield() end in a jump to the switch, which returns directly to their caller. So they
// keep nothing on the stack (runtime/context/context.hpp says how much that saves).

#include <chrono>

#include <sched.h>

#include "hilo/detail/decision.hpp"
#include "hilo/detail/waiter.hpp"
#include "hilo/fiber.hpp"

#include "runtime/sched/decider.hpp"
#include "runtime/sched/fibers/forked_fiber.hpp"
#include "runtime/sched/idling/parked_threads.hpp"
#include "runtime/sched/parking.hpp"
#include "runtime/sched/time/coarse_clock.hpp"
#include "runtime/sched/worker.hpp"
#include "runtime/sys/futex.hpp"

namespace hilo {
namespace sched {

void wake_in_turn(detail::waiter& who, status result) noexcept {
  fiber& one = fiber::of(who);
  one.context.result = static_cast<std::uint32_t>(result);
  worker* const here = current_worker();
  if (here != nullptr && &here->home() == one.home) return here->run_later(one);
  one.home->inject_as_guest(one);
}

void woke_in_turn() noexcept {
  worker* const here = current_worker();
  if (here != nullptr && here->its_queue().is_shared()) here->home().idle().behind_published();
}

}  // namespace sched

namespace detail {
namespace {

using sched::fiber;
using sched::worker;

waiter_kind kind_of_first_wait() noexcept {
  free_light_fence();
  return waiter_kind::thread;
}

// The waiter of a thread that runs no fiber. It outlives every wait of its thread.
waiter& thread_waiter() noexcept {
  if (sched::forked_fiber != nullptr) [[unlikely]]
    return *sched::forked_fiber;
  static thread_local waiter one{kind_of_first_wait()};
  return one;
}

[[gnu::noinline]] status park_thread(waiter& self) noexcept {
  sched::count_parked_thread();
  // (W2) acquire: pairs with (W1). A futex wake may be for another waiter; the word decides.
  while (self.woken.load(std::memory_order_acquire) == 0) sys::futex_wait(self.woken, 0);
  self.woken.store(0, std::memory_order_relaxed);  // we alone use it until it is linked again
  return self.result;
}

[[gnu::noinline]] void wake_thread(waiter& who, status result) noexcept {
  who.result = result;
  sched::count_woken_thread();
  sys::futex_word& word = who.woken;
  word.store(1, std::memory_order_release);  // (W1) from here on `who` may be gone
  sys::futex_wake_one(&word);                // uses the address as a name only
}

[[gnu::noinline]] status park_slowly(worker& here) noexcept {
  fiber& me = here.running();
  fiber* const next = here.pick_after(sched::trace_what::parks, me.parked_on);
  here.its_queue().count_park();
  if (next == &me) return static_cast<status>(me.context.result);
  return static_cast<status>(here.switch_to(next != nullptr ? *next : here.base()));
}

[[gnu::always_inline]] inline status park_on(worker& here, const char* reason) noexcept {
  fiber& me = here.running();
  me.parked_on = reason;
  me.parked_at = sched::coarse_ms.load(std::memory_order_relaxed);
  fiber* const next = here.pick_quickly(sched::run_queue::leaving::parks);
  if (next == nullptr) return park_slowly(here);
  if (next == &me) return static_cast<status>(me.context.result);  // it was woken before it left
  return static_cast<status>(here.switch_to(*next));
}

[[gnu::noinline]] void yield_slowly(worker& here) noexcept {
  fiber& me = here.running();
  fiber* const next = here.pick_after(sched::trace_what::yields);
  if (next == nullptr && !me.special && !here.its_place().closes()) return here.go_on(me);
  here.run_later(me);
  here.switch_to(next != nullptr ? *next : here.base());
}

}  // namespace

waiter& current_waiter() noexcept {
  worker* const here = sched::current_worker();
  return here != nullptr ? static_cast<waiter&>(here->running()) : thread_waiter();
}

// A fiber's blocking call runs in a thread. The slot of the thread's waiter is free between its
// waits and cannot hold the fiber's name, so the name has a field of its own.
const void* current_thread_holder() noexcept {
  return holder_of(thread_waiter());
}

const void* holder_of(waiter& one) noexcept {
  if (one.kind == waiter_kind::fiber) return static_cast<const fork_list*>(&fiber::of(one));
  return one.stands_for != nullptr ? one.stands_for : &one;
}

void stand_for(const void* holder) noexcept {
  thread_waiter().stands_for = holder;
}

status park(waiter& self, const char* reason) noexcept {
  worker* const here = sched::current_worker();
  return here != nullptr ? park_on(*here, reason) : park_thread(self);
}

void wake(waiter& who, status result) noexcept {
  if (who.kind == waiter_kind::thread) return wake_thread(who, result);
  fiber& one = fiber::of(who);
  one.context.result = static_cast<std::uint32_t>(result);
  worker* const here = sched::current_worker();
  if (here != nullptr && &here->home() == one.home) return here->run_next(one);
  one.home->inject_as_guest(one);
}

// The wait of a fiber without limits, in line down to the switch. All other waits go through
// wait_limited().
status wait_in(wait_list& list, spin_lock& held, void* slot, const char* reason) noexcept {
  worker* const here = sched::current_worker();
  if (here == nullptr || here->running().limited()) [[unlikely]]
    return wait_limited(list, held, slot, no_deadline, reason);
  fiber& self = here->running();
  link_last(self, list, held, slot);
  held.unlock_to_wait();
  light_fence();                                                          // (E5), (E6)
  if (self.interrupts.load(std::memory_order_relaxed) != 0) [[unlikely]]  // (E6)
    return finish_wait(self, no_deadline, reason);
  return park_on(*here, reason);
}

status wait_in_until(wait_list& list, spin_lock& held, void* slot, std::int64_t deadline,
                     const char* reason) noexcept {
  if (deadline == no_deadline) return wait_in(list, held, slot, reason);
  return wait_limited(list, held, slot, deadline, reason);
}

void spend_budget() noexcept {
  yield();
}

std::int64_t monotonic_now() noexcept {
  if (simulating()) [[unlikely]] {
    if (const sched::decider* const who = sched::current_decider()) return who->now();
  }
  return std::chrono::steady_clock::now().time_since_epoch().count();
}

}  // namespace detail

bool sched::is_parking(std::uintptr_t function) noexcept {
  const auto begins = [function](auto* which) {
    return reinterpret_cast<std::uintptr_t>(which) == function;
  };
  return begins(&context::switch_context) || begins(&detail::park_slowly) ||
         begins(&detail::park) || begins(&detail::wait_in);
}

void yield() noexcept {
  sched::worker* const here = sched::current_worker();
  if (here == nullptr) {
    ::sched_yield();
    return;
  }
  sched::fiber& me = here->running();
  if (me.special || !here->its_queue().has_room()) [[unlikely]]
    return detail::yield_slowly(*here);
  sched::fiber* const next = here->pick_quickly(sched::run_queue::leaving::goes_on);
  if (next == nullptr) return detail::yield_slowly(*here);
  here->its_queue().push_last(me);
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
