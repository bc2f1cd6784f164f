// Waits: linking, ends that do not come from a waker, and leaving again. hilo/detail/waiter.hpp has
// the protocol.

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <mutex>

#include <sched.h>

#include "hilo/detail/deadline.hpp"
#include "hilo/detail/decision.hpp"
#include "hilo/detail/waiter.hpp"
#include "hilo/limit.hpp"

#include "runtime/base/check.hpp"
#include "runtime/base/cpu.hpp"
#include "runtime/base/exiting.hpp"
#include "runtime/sched/worker.hpp"
#include "runtime/sys/futex.hpp"

namespace hilo::detail {
namespace {

using sched::fiber;
using sched::worker;

// Deeper than any interrupt.
constexpr std::uint16_t full_shield = 0xffff;

// The interrupts under way are in their last steps. None of them holds a claim: otherwise the wait
// that it was for would not be over. Without this wait, one of them might take the next wait for
// the last one.
//
// The caller may hold the lock of the primitive that it is about to wait for. So an interrupter
// that has counted itself in waits for no such lock before it has claimed or counted itself out
// (claim_interrupted).
void settle(waiter& self) noexcept {
  for (int spins = 0; self.interrupts.load(std::memory_order_acquire) > 1; ++spins) {
    if (spins < 100) {
      base::cpu_relax();
    } else {
      decision_point();  // or, in a simulation, its turn
      ::sched_yield();   // an interrupter lost its CPU
    }
  }
}

// Whether a wait of `self` must end at once, and with which status.
status reached(const waiter& self) noexcept {
  for (const wait_limit* one = self.limits; one != nullptr; one = one->outer) {
    // acquire: what happened before the stop request is seen
    if (one->stopped.load(std::memory_order_acquire)) return status::cancelled;
    if (one->shield == one->depth) return status::ok;  // limits outside of the shield do not count
  }
  return self.stop_requested.load(std::memory_order_acquire) ? status::cancelled : status::ok;
}

// After linking, before parking: whether an interrupt came meanwhile that no interrupter takes for
// us, since it did not find us linked. Then the wait is over, unless a waker has it already; after
// that, the primitive may be gone. So we act as the interrupter. This needs us to be linked behind
// a heavy fence: only then does every waker claim from then on, and wait for us to leave if its
// claim fails.
bool interrupted_before_park(waiter& self) noexcept {
  light_fence();  // between (E5) and (E6)
  if (self.interrupts.load(std::memory_order_relaxed) == 0) [[likely]]
    return false;
  if (self.shield.load(std::memory_order_relaxed) == full_shield || reached(self) == status::ok) {
    return false;
  }
  heavy_fence();  // between (E3), which we saw, and (E4)
  return self.linked.load(std::memory_order_acquire) && end_wait(self);
}

status park_thread_until(waiter& self, std::int64_t deadline, const char* reason) noexcept {
  const sys::futex_clock::time_point when{std::chrono::nanoseconds(deadline)};
  while (self.woken.load(std::memory_order_acquire) == 0) {  // (W2)
    if (sys::futex_wait_until(self.woken, 0, when) != -ETIMEDOUT) continue;
    if (end_wait(self)) return status::timed_out;
    break;  // a waker took us: its wake comes
  }
  return park(self, reason);
}

status park_fiber_until(worker& here, waiter& self, std::int64_t deadline,
                        const char* reason) noexcept {
  fiber& me = fiber::of(self);
  me.deadline.set(here.timers(), me.locals, deadline);
  const status result = park(self, reason);
  me.deadline.clear();
  return result;
}

// For a wait that is not likely to be woken early; and in a simulation, whose time goes from timer
// to timer.
status sleep_fiber_until(worker& here, waiter& self, std::int64_t deadline,
                         const char* reason) noexcept {
  sched::timer at_deadline(
      [](sched::timer& one, std::int64_t, bool) noexcept -> sched::fired {
        return {.winner = end_wait(*one.whose) ? one.whose : nullptr};
      },
      &self);
  here.timers().arm(at_deadline, deadline);
  const status result = park(self, reason);
  // Another waker was first, or will count as first: either way the timer must leave our frame.
  if (result != status::timed_out) at_deadline.wheel->cancel(at_deadline);
  return result;
}

status sit_out_by(decltype(park_fiber_until) in_fiber, waiter& self, std::int64_t deadline,
                  const char* reason) noexcept {
  if (interrupted_before_park(self)) return status::cancelled;
  if (deadline == no_deadline) return park(self, reason);
  if (worker* const here = sched::current_worker()) return in_fiber(*here, self, deadline, reason);
  return park_thread_until(self, deadline, reason);
}

// For a wait that no interrupt may end.
void shield_wait(waiter& self) noexcept {
  settle(self);
  self.reopen();                                              // published by (E5)
  self.shield.store(full_shield, std::memory_order_relaxed);  // likewise
}

status wait_in_shielded(wait_list& list, spin_lock& held, void* slot, const char* reason) noexcept {
  waiter& self = current_waiter();
  shield_wait(self);
  link_last(self, list, held, slot);
  held.unlock_to_wait();
  const status end = park(self, reason);
  self.shield.store(0, std::memory_order_relaxed);
  return end;
}

}  // namespace

bool end_wait(waiter& who) noexcept {
  if (!who.claim()) return false;  // (E7)
  leave_claimed(who);
  return true;
}

void leave_claimed(waiter& who) noexcept {
  if (who.guard == nullptr) return;
  decision_point();
  const std::scoped_lock guard(*who.guard);
  who.list->leave(who);
}

status limit_wait(waiter& self, std::int64_t& deadline) noexcept {
  if (!self.limited()) [[likely]]
    return status::ok;
  settle(self);
  const status end = reached(self);
  if (end != status::ok) return end;
  std::uint16_t shield = 0;
  if (self.limits != nullptr) {
    shield = self.limits->shield;
    if (self.limits->deadline < deadline) {
      deadline = self.limits->deadline;
      if (deadline <= monotonic_now()) return status::timed_out;
    }
  }
  // Both are published by (E5).
  self.shield.store(shield, std::memory_order_relaxed);
  self.reopen();
  return status::ok;
}

void open_wait(waiter& self) noexcept {
  self.contested.store(true, std::memory_order_relaxed);  // published by the lists' locks
  self.guard = nullptr;
}

void show_wait(waiter& self) noexcept {
  self.linked.store(true, std::memory_order_release);  // (E5)
}

status begin_wait(waiter& self, wait_list& list, spin_lock& guard, void* slot,
                  std::int64_t& deadline) noexcept {
  if (is_only_woken(deadline)) {
    shield_wait(self);
    deadline = deadline == until_woken ? no_deadline : deadline - until_woken;
  } else {
    const status end = limit_wait(self, deadline);
    if (end != status::ok) return end;
  }
  if (deadline != no_deadline) {
    if (deadline <= 0) return status::timed_out;
    self.contested.store(true, std::memory_order_relaxed);  // published by the lock
  }
  link_last(self, list, guard, slot);
  return status::ok;
}

status sit_out(waiter& self, std::int64_t deadline, const char* reason) noexcept {
  return sit_out_by(simulating() ? sleep_fiber_until : park_fiber_until, self, deadline, reason);
}

void close_wait(waiter& self) noexcept {
  if (self.guard == nullptr) self.linked.store(false, std::memory_order_relaxed);
  // From here on no interrupter finds it linked. Interrupters that found it have gone when it is
  // settled, and so has a timer of its own: then `claimed` is ours. An alarm knows which wait it
  // claims.
  light_fence();  // pairs with (E3), (E4)
  settle(self);
  self.contested.store(false, std::memory_order_relaxed);
  self.shield.store(0, std::memory_order_relaxed);  // the plain wait assumes it
  self.reopen();
}

status finish_wait(waiter& self, std::int64_t deadline, const char* reason) noexcept {
  const status result = sit_out(self, deadline, reason);
  close_wait(self);
  return result;
}

status wait_limited(wait_list& list, spin_lock& held, void* slot, std::int64_t deadline,
                    const char* reason) noexcept {
  if (deadline == until_woken) return wait_in_shielded(list, held, slot, reason);
  waiter& self = current_waiter();
  const status end = begin_wait(self, list, held, slot, deadline);
  held.unlock_to_wait();
  if (end == status::ok) return finish_wait(self, deadline, reason);
  count_eager();
  return end;
}

status sleep_until_ns(std::int64_t when) noexcept {
  waiter& self = current_waiter();
  std::int64_t deadline = when;
  status end = limit_wait(self, deadline);
  if (end != status::ok || when <= 0) {
    count_eager();
    return end;
  }
  open_wait(self);
  show_wait(self);
  end = sit_out_by(sleep_fiber_until, self, deadline, "sleep");
  close_wait(self);
  return end == status::timed_out && deadline == when ? status::ok : end;
}

static bool all_left_behind(const wait_list& list) noexcept {
  for (const wait_node* one = list.first(); one != nullptr; one = one->next) {
    const waiter& who = *one->owner;
    if (who.kind != waiter_kind::fiber) return false;
    if (!static_cast<const fiber&>(who).home->left_behind()) return false;
  }
  return true;
}

void retire(wait_list& list, spin_lock& guard, const char* message) noexcept {
  decision_point();
  guard.lock();
  if (!list.empty()) {
    // exit() destroys static objects while fibers wait; and fibers of the parent do not run in the
    // child of a fork.
    if (!all_left_behind(list) && !base::in_exit()) base::die("%s", message);
    return guard.unlock();
  }
  while (!list.left()) {  // its last access is the release of the lock
    guard.unlock();
    decision_point();  // in a simulation the fiber leaves in its turn
    ::sched_yield();
    guard.lock();
  }
  guard.unlock();
}

// --- Interrupts ---------------------------------------------------------------------------------

void begin_interrupt(waiter& who) noexcept {
  // The count first: the end of a life clears the bit only where it sees a count of 0, so a bit
  // that is set after the count stays set until this life's end has seen it.
  who.interrupts.fetch_add(2, std::memory_order_acq_rel);  // (E3)
  who.interrupts.fetch_or(1, std::memory_order_acq_rel);
}

bool claim_interrupted(waiter& who, std::uint16_t depth) noexcept {
  // (E4) acquire: pairs with (E5); `shield` is the wait's.
  const bool mine = who.linked.load(std::memory_order_acquire) &&
                    depth >= who.shield.load(std::memory_order_relaxed) && who.claim();  // (E7)
  if (!mine) who.interrupts.fetch_sub(2, std::memory_order_release);  // pairs with settle()
  return mine;
}

void end_interrupted(waiter& who) noexcept {
  const undecided section;  // the caller may hold a lock, or be in a stop_callback
  leave_claimed(who);
  who.interrupts.fetch_sub(2, std::memory_order_release);  // pairs with settle()
  wake(who, status::cancelled);
}

void finish_interrupt(waiter& who, std::uint16_t depth) noexcept {
  if (claim_interrupted(who, depth)) end_interrupted(who);
}

wait_limit::wait_limit(std::int64_t when, bool is_shield) noexcept
    : who(current_waiter()), outer(who.limits), deadline(when), depth(1), shield(0) {
  if (outer != nullptr) {
    HILO_CHECK(outer->depth < full_shield - 1, "limits are nested more than 65,000 deep");
    depth = static_cast<std::uint16_t>(outer->depth + 1);
    shield = outer->shield;
    if (!is_shield) deadline = std::min(deadline, outer->deadline);
  }
  if (is_shield) shield = depth;
  who.limits = this;
}

wait_limit::~wait_limit() {
  HILO_CHECK(who.limits == this && &current_waiter() == &who,
             "a limit ends in another fiber than it began, or not innermost first");
  who.limits = outer;
  // Clears the shield that the limits set for a wait; the plain wait assumes 0.
  if (outer == nullptr) who.shield.store(0, std::memory_order_relaxed);
}

void wait_limit::interrupt() noexcept {
  begin_interrupt(who);
  stopped.store(true, std::memory_order_release);
  heavy_fence();  // between (E3) and (E4)
  finish_interrupt(who, depth);
}

status limit_now() noexcept {
  waiter& self = current_waiter();
  if (!self.limited()) return status::ok;
  const status end = reached(self);
  if (end != status::ok || self.limits == nullptr) return end;
  const std::int64_t deadline = self.limits->deadline;
  return deadline != no_deadline && deadline <= monotonic_now() ? status::timed_out : status::ok;
}

}  // namespace hilo::detail

namespace hilo::this_fiber {

status limit_reached() noexcept {
  const status end = detail::limit_now();
  if (end == status::ok) detail::count_eager();
  return end;
}

}  // namespace hilo::this_fiber
