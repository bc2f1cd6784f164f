// The one way to wait. A waiter is a parked fiber or a kernel thread asleep in a futex; everything
// that makes callers wait queues waiters and wakes them, and does not know which kind they are.
//
// Protocol. A primitive is a spin_lock, its state, and wait_lists guarded by that lock.
//
//   to wait, under the lock:     wait_in(list, lock): links the caller, unlocks, parks
//   to wake, under the lock:     pop() a waiter (that makes the wake yours alone); unlock; wake()
//
// Each wait is ended by exactly one waker and woken once, and parks once: the order of park and
// wake does not matter, a wake that comes first is kept. After wake() the waker does not touch the
// waiter again: its owner may be gone.
//
// Who ends a wait. Nearly all waits can be ended by the lists' wakers only, and then popping is
// claiming: no atomic operation but the lock's. Others may come too: a deadline, the other lists of
// a select, a stop request. Then whoever makes `claimed` odd ends the wait. A waker in
// a list has to know which it is:
//
//   a deadline, a select   the owner sets `contested` before it links
//   a stop request         may come at any time, and a wait without one must not pay for it. So:
//
//     waker, under the lock             interrupter                 owner
//     (E1) linked := false              (E3) interrupts := …        (E5) linked := true
//     light_fence                       heavy_fence                 light_fence
//     (E2) read interrupts              (E4) read linked            (E6) read interrupts
//
//   The fences are asymmetric: the heavy one makes every thread of the process pass a full barrier
//   (detail/fence.hpp). So of (E2) and (E4) at least one sees the other side's store: if the
//   interrupter finds the waiter linked, every waker from then on finds the interrupt, and both
//   claim. If it does not, a waker has it, or the owner has not linked yet; then (E6) sees the
//   interrupt, and the owner does as the interrupter would: a heavy_fence, then (E4). `interrupts`
//   stays set, so that later waits look at why before they begin. Rejected: claiming in every wake,
//   12 ns more in a round trip of 47 (measured, pingpong); and an interrupter that takes the
//   primitive's lock, which may be gone by then.
//
// Who unlinks. A waker unlinks what it pops. One who claims from outside takes the list's lock and
// unlinks the waiter before he wakes it: the owner is still inside its call, so the primitive is
// there. Should a waker pop it in between, it counts it as `leaving` and goes on to the next; a
// primitive that is destroyed waits for those (retire()). So a primitive may be destroyed as soon
// as nobody waits on it that was not woken, though a deadline is just being met.
//
// The waiter belongs to the fiber or thread and not to the call, so the functions that park keep
// nothing on the stack and can leave it by a jump (runtime/context/context.hpp).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "hilo/detail/api.hpp"
#include "hilo/detail/fence.hpp"
#include "hilo/detail/spin_lock.hpp"
#include "hilo/status.hpp"

namespace hilo::detail {

enum class waiter_kind : std::uint8_t { fiber, thread };

class wait_list;
struct waiter;
struct wait_limit;

// A place in a wait list. A waiter has one of its own; select brings one for each case.
struct wait_node {
  explicit wait_node(waiter& whose) noexcept : owner(&whose) {}
  wait_node(const wait_node&) = delete;
  wait_node& operator=(const wait_node&) = delete;

  waiter* owner;
  wait_node* next = nullptr;      // in a wait_list, guarded by its primitive's lock
  wait_node* previous = nullptr;  // likewise
  wait_list* list = nullptr;      // where it was linked last; the owner's
  void* slot = nullptr;           // where a value is handed over; set before linking
  // Whether it is linked; for a sleeper, which is in no list, whether it sleeps. Written under the
  // primitive's lock, read without it by (E4): (E5) release, publishes `shield`.
  std::atomic<bool> linked{false};
};

struct waiter : wait_node {
  explicit waiter(waiter_kind which) noexcept : wait_node(*this), kind(which) {}

  waiter_kind kind;
  const void* stands_for = nullptr;  // of a thread: the fiber whose blocking call it makes

  // The owner's, set before it links; read by wakers under the list's lock, and by claimers.
  std::atomic<bool> contested{false};  // others than the wakers of one list may end the wait
  // Only an interrupt of this depth or more ends the wait; see wait_limit.
  std::atomic<std::uint16_t> shield{0};

  // Bit 0: there was an interrupt, ever. The rest: twice the number of those under way.
  // (E3) written by interrupters; (E6), (E2).
  std::atomic<std::uint32_t> interrupts{0};
  std::atomic<bool> stop_requested{false};  // the fiber's own token; with (E3)

  // Odd: somebody ends this wait. (E7) acq_rel: the claimer sees what the owner set up, the owner
  // what the claimer did, through the wake. Where it may be odd, the owner makes it even before it
  // links, each time another number: who claims late does so of the wait that he saw (alarm.hpp).
  std::atomic<std::uint32_t> claimed{0};

  // Kernel threads only: the futex word. 0 while nobody woke it.
  // Written by the waker, (W1) release: publishes what it did for us. Read and reset by the owner,
  // (W2) acquire.
  std::atomic<std::uint32_t> woken{0};
  status result = status::ok;  // kernel threads only: what park() returns; published by (W1)

  std::uint8_t eager = 0;  // the owner's, for count_eager()

  spin_lock* guard = nullptr;    // of `list`; null when an outside claimer need not unlink
  wait_limit* limits = nullptr;  // the owner's: the innermost limit it waits under

  // Whether a wait has to look at limits and interrupts before it begins.
  bool limited() const noexcept {
    return limits != nullptr || interrupts.load(std::memory_order_acquire) != 0;
  }

  // Whether the caller is the one who ends this wait.
  bool claim() noexcept { return (claimed.fetch_or(1, std::memory_order_acq_rel) & 1) == 0; }
  // The owner's. release: who sees the number sees that what was before is over.
  void reopen() noexcept {
    claimed.store((claimed.load(std::memory_order_relaxed) | 1) + 1, std::memory_order_release);
  }

  // For a waker that just unlinked `node`: whether the wake is its own.
  bool take(wait_node& node) noexcept {
    light_fence();  // between (E1) and (E2)
    if (!contested.load(std::memory_order_relaxed) &&
        interrupts.load(std::memory_order_relaxed) == 0) [[likely]] {  // (E2)
      return true;
    }
    if (!claim()) return false;       // (E7)
    if (&node != this) slot = &node;  // tells a select which case it was
    return true;
  }
};

// The calling fiber's waiter or, outside a runtime, the calling thread's.
HILO_API waiter& current_waiter() noexcept;

// The holder of a lock: a name of the caller that stays the same on another carrier. A
// fiber's name is the address that its carrier keeps, so it costs one load.
HILO_API const void* current_thread_holder() noexcept;
inline const void* holder_on(const carrier* here) noexcept {
  if (here != nullptr) [[likely]]
    return here->forks;
  return current_thread_holder();
}
inline const void* current_holder() noexcept {
  return holder_on(current_carrier());
}
HILO_API const void* holder_of(waiter& one) noexcept;
// The calling thread makes a blocking call for this holder, or for none any more.
void stand_for(const void* holder) noexcept;

// Suspends the caller, whose waiter is `self` and is linked or about to be woken, until wake().
// Returns the status that was passed there. reason: a literal that dumps show ("channel receive").
HILO_API status park(waiter& self, const char* reason) noexcept;

// Ends the wait of a waiter that the caller claimed. Never parks. From a fiber, another fiber of
// the same runtime is run next by the same carrier, if that parks soon.
HILO_API void wake(waiter& who, status result) noexcept;

// A fiber that never waits lets the others run all the same: what might have waited and did not,
// because it found at once what it wanted, or its deadline passed, or it was stopped, counts.
HILO_API void spend_budget() noexcept;
inline void count_eager() noexcept {
  if (++current_waiter().eager == 0) spend_budget();  // every 256th
}

// First in, first out. All calls under the lock of the primitive it belongs to.
class wait_list {
 public:
  wait_list() = default;
  wait_list(const wait_list&) = delete;
  wait_list& operator=(const wait_list&) = delete;

  bool empty() const noexcept { return first_ == nullptr; }
  wait_node* first() const noexcept { return first_; }

  void push(wait_node& one) noexcept {
    one.list = this;
    one.next = nullptr;
    one.previous = last_;
    (last_ != nullptr ? last_->next : first_) = &one;
    last_ = &one;
    one.linked.store(true, std::memory_order_release);  // (E5)
  }

  void remove(wait_node& one) noexcept {
    (one.previous != nullptr ? one.previous->next : first_) = one.next;
    (one.next != nullptr ? one.next->previous : last_) = one.previous;
    one.linked.store(false, std::memory_order_relaxed);  // (E1); light_fence follows where needed
  }

  // Makes the one that was linked last the first.
  void move_last_to_front() noexcept {
    wait_node* const one = last_;
    if (one == first_) return;
    last_ = one->previous;
    last_->next = nullptr;
    one->previous = nullptr;
    one->next = first_;
    first_->previous = one;
    first_ = one;
  }

  // Unlinks one and claims its wait; false when somebody else ends that, who then calls leave().
  bool take(wait_node& one) noexcept {
    remove(one);
    if (one.owner->take(one)) [[likely]]
      return true;
    ++leaving_;
    return false;
  }

  // The one that waits longest, unlinked and claimed; null when there is none.
  wait_node* pop() noexcept {
    while (first_ != nullptr) {
      wait_node* const one = first_;
      if (take(*one)) [[likely]]
        return one;
    }
    return nullptr;
  }

  // All of them, unlinked, claimed, and linked to each other by next.
  wait_node* take_all() noexcept {
    wait_node* all = nullptr;
    wait_node** end = &all;
    while (wait_node* one = pop()) {
      *end = one;
      end = &one->next;
    }
    *end = nullptr;
    return all;
  }

  // For whoever claimed the wait of `one` from outside: it is not in the list any more.
  void leave(wait_node& one) noexcept {
    if (one.linked.load(std::memory_order_relaxed)) {
      remove(one);
    } else {
      --leaving_;
    }
  }
  bool left() const noexcept { return leaving_ == 0; }

 private:
  wait_node* first_ = nullptr;
  wait_node* last_ = nullptr;
  std::uint32_t leaving_ = 0;  // popped by a waker, but claimed by another, who has not come yet
};

// Links the caller last into `list`, whose lock `guard` is held.
inline void link_last(waiter& self, wait_list& list, spin_lock& guard, void* slot) noexcept {
  self.slot = slot;
  self.guard = &guard;
  list.push(self);
}

// Ends the waits of all that take_all() gave.
inline void wake_all(wait_node* list, status result) noexcept {
  while (list != nullptr) {
    wait_node* const after = list->next;  // after wake() the node may be gone
    wake(*list->owner, result);
    list = after;
  }
}

// CLOCK_MONOTONIC, nanoseconds.
inline constexpr std::int64_t no_deadline = std::numeric_limits<std::int64_t>::max();

// Waits without a deadline of its own: the caller, whose waiter's slot is set to `slot`, is linked
// last into `list`, `held` is released, and the caller parks. Returns what its waker passed;
// cancelled or timed_out when a stop request or a limit ended it (hilo/limit.hpp).
HILO_API status wait_in(wait_list& list, spin_lock& held, void* slot, const char* reason) noexcept;

// The same until `deadline` at most: then timed_out. until_woken is for those that have to keep
// a promise when they return: nothing but a waker ends the wait, no stop request and no limit.
inline constexpr std::int64_t until_woken = std::numeric_limits<std::int64_t>::min();
inline constexpr std::int64_t no_wait = -1;  // of try_ calls, which never come here

// As until_woken, but the wait also ends at `deadline`, with timed_out. These deadlines have the
// sign bit set; all others but no_wait are 0 or more.
constexpr std::int64_t until_woken_or(std::int64_t deadline) noexcept {
  if (deadline == no_deadline) return until_woken;
  return (deadline > 0 ? deadline : 1) + until_woken;
}
constexpr bool is_only_woken(std::int64_t deadline) noexcept {
  return deadline < no_wait;
}
HILO_API status wait_in_until(wait_list& list, spin_lock& held, void* slot, std::int64_t deadline,
                              const char* reason) noexcept;

// What these do where there is a deadline, a limit, or a stop request.
status wait_limited(wait_list& list, spin_lock& held, void* slot, std::int64_t deadline,
                    const char* reason) noexcept;

// wait_in_until in two halves, for who has something to do between linking and parking.
// begin_wait: the lock of `list`, `guard`, is held and stays so. Anything but ok: the wait is over
// before it began, and nothing is linked. `deadline` becomes the one that holds.
HILO_API status begin_wait(waiter& self, wait_list& list, spin_lock& guard, void* slot,
                           std::int64_t& deadline) noexcept;
HILO_API status finish_wait(waiter& self, std::int64_t deadline, const char* reason) noexcept;

// For waits in no list, or in several: sleep and select.
// limit_wait: anything but ok: the wait is over before it began. `deadline` becomes the one that
// holds. open_wait: from now on others may claim it, if they find it in a list; show_wait: or by an
// interrupt. sit_out: parks. close_wait: all that was linked is unlinked again, and the waiter free
// for the next wait. finish_wait is the last two.
HILO_API status limit_wait(waiter& self, std::int64_t& deadline) noexcept;
void open_wait(waiter& self) noexcept;
void show_wait(waiter& self) noexcept;
status sit_out(waiter& self, std::int64_t deadline, const char* reason) noexcept;
void close_wait(waiter& self) noexcept;

// For destructors: aborts with `message` when somebody waits, and outlasts those just leaving.
HILO_API void retire(wait_list& list, spin_lock& guard, const char* message) noexcept;

// Claims a wait from outside its list, and unlinks it there. True: the caller has to wake it.
bool end_wait(waiter& who) noexcept;
// The second half, for who has claimed it.
void leave_claimed(waiter& who) noexcept;

// Ends the wait of `who` with cancelled unless it is shielded against `depth`. In between the
// caller says why where reached() finds it, and passes a heavy_fence(); many may share one.
void begin_interrupt(waiter& who) noexcept;
void finish_interrupt(waiter& who, std::uint16_t depth) noexcept;

// The first half for a fiber's own stop request, which has depth 0.
inline void begin_stop(waiter& who) noexcept {
  begin_interrupt(who);
  who.stop_requested.store(true, std::memory_order_release);  // with (E3)
}

}  // namespace hilo::detail
