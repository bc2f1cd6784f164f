// The only way to wait. A waiter is a parked fiber, or a kernel thread asleep in a futex. Every
// primitive queues waiters and wakes them, and does not know which kind they are.
//
// Protocol. A primitive is a spin_lock, its state, and wait_lists guarded by that lock.
//
//   to wait, under the lock:     wait_in(list, lock): links the caller, unlocks, parks
//   to wake, under the lock:     pop() a waiter (that makes the wake yours alone); unlock; wake()
//
// Each wait has exactly one end, one wake and one park. The order of park and wake does not matter,
// because a wake that comes first is kept. After wake() the waker does not touch the waiter again,
// because its owner may be gone.
//
// Ending a wait. Most waits can be ended only by the wakers of one list. There, popping the waiter
// claims the wait, and needs no atomic operation except that of the lock. Some waits have other
// enders too: a deadline, the other lists of a select, a stop request. There, the ender that makes
// `claimed` odd ends the wait. So a waker has to know which kind of wait it ends:
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
//   (detail/fence.hpp). So of (E2) and (E4) at least one sees the other side's store. If the
//   interrupter finds the waiter linked, every waker from then on finds the interrupt, and both
//   sides claim. If it does not, either a waker has popped the waiter, or the owner has not linked
//   it yet. In the second case (E6) sees the interrupt, and the owner does the interrupter's work:
//   a heavy_fence, then (E4). `interrupts` stays set, so that later waits check the reason before
//   they begin. Rejected: claiming in every wake, which costs 12 ns more in a round trip of 47
//   (measured, pingpong). Rejected: an interrupter that takes the primitive's lock, because the
//   primitive may be gone by then.
//
// Unlinking. A waker unlinks the waiter that it pops. If an outside claimer ends the wait, it takes
// the list's lock and unlinks the waiter before it wakes it; until then the owner is inside its
// call, so the primitive still exists. If a waker pops that waiter in between, the waker counts it
// as `leaving` and goes on to the next. The destructor of a primitive waits until these waiters
// have left (retire()). So a primitive may be destroyed as soon as all its waiters were woken, even
// while a deadline ends a wait.
//
// The waiter belongs to the fiber or thread, not to the call. So the functions that park keep
// nothing on the stack, and can leave it by a jump (runtime/context/context.hpp).
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
  wait_list* list = nullptr;      // where it was linked last; only for the owner
  void* slot = nullptr;           // where a value is handed over; set before linking
  // Whether it is linked; for a sleeper, which is in no list, whether it sleeps. Written under the
  // primitive's lock; (E4) reads it without the lock. (E5) release: publishes `shield`.
  std::atomic<bool> linked{false};
};

struct waiter : wait_node {
  explicit waiter(waiter_kind which) noexcept : wait_node(*this), kind(which) {}

  waiter_kind kind;

  // Set by the owner before it links; read by wakers under the list's lock, and by claimers.
  std::atomic<bool> contested{false};  // not only the wakers of one list may end the wait
  std::uint8_t eager = 0;              // only for the owner, for count_eager()
  // Only an interrupt of this depth or more ends the wait; see wait_limit.
  std::atomic<std::uint16_t> shield{0};

  std::atomic<bool> stop_requested{false};  // the fiber's own token; with (E3)
  // Bit 0: there was an interrupt, ever. The rest: twice the number of those under way.
  // (E3) written by interrupters; (E6), (E2).
  std::atomic<std::uint32_t> interrupts{0};

  // Odd: the wait has been claimed. (E7) acq_rel: the claimer sees what the owner set up, and
  // through the wake the owner sees what the claimer did. If it may be odd, the owner makes it even
  // before it links, with a new number each time. So a late claimer can claim only the wait whose
  // number it saw (alarm.hpp).
  std::atomic<std::uint32_t> claimed{0};

  // Kernel threads only: the futex word. 0 until a waker wakes the thread. Written by the waker,
  // (W1) release: publishes what it did for us. Read and reset by the owner, (W2) acquire.
  std::atomic<std::uint32_t> woken{0};
  status result = status::ok;  // kernel threads only: what park() returns; published by (W1)

  spin_lock* guard = nullptr;        // of `list`; null when an outside claimer need not unlink
  wait_limit* limits = nullptr;      // only for the owner: the innermost limit of the wait
  const void* stands_for = nullptr;  // for a thread: the fiber whose blocking call it makes

  // Whether a wait has to look at limits and interrupts before it begins.
  bool limited() const noexcept {
    return limits != nullptr || interrupts.load(std::memory_order_acquire) != 0;
  }

  // Claims the wait; true if the caller is the ender of this wait.
  bool claim() noexcept { return (claimed.fetch_or(1, std::memory_order_acq_rel) & 1) == 0; }
  // Only for the owner. release: a claimer that sees the new number also sees that the former wait
  // is over.
  void reopen() noexcept {
    claimed.store((claimed.load(std::memory_order_relaxed) | 1) + 1, std::memory_order_release);
  }

  // For a waker that has just unlinked `node`: whether this waker ends the wait.
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
// The calling thread makes a blocking call for this holder; null: it no longer does.
void stand_for(const void* holder) noexcept;

// Suspends the caller, whose waiter is `self` and is linked or about to be woken, until wake().
// Returns the status that was passed there. reason: a literal that dumps show ("channel receive").
HILO_API status park(waiter& self, const char* reason) noexcept;

// Ends the wait of a waiter that the caller claimed. Never parks. From a fiber, another fiber of
// the same runtime is run next by the same carrier, if that parks soon.
HILO_API void wake(waiter& who, status result) noexcept;

// count_eager() counts a call that might have waited but did not: it succeeded at once, its
// deadline had passed, or it was stopped. So a fiber that never waits still lets other fibers run.
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

  // Makes the last linked node the first.
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

  // Unlinks a node and claims its wait. False: another ender has claimed it, and then calls
  // leave().
  bool take(wait_node& one) noexcept {
    remove(one);
    if (one.owner->take(one)) [[likely]]
      return true;
    ++leaving_;
    return false;
  }

  // The node that waits longest, unlinked and claimed; null if there is none.
  wait_node* pop() noexcept {
    while (first_ != nullptr) {
      wait_node* const one = first_;
      if (take(*one)) [[likely]]
        return one;
    }
    return nullptr;
  }

  // All nodes, unlinked and claimed, and linked to each other by next.
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

  // For the ender that claimed the wait of `one` from outside: removes `one` from the list, or from
  // leaving_.
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
  std::uint32_t leaving_ = 0;  // popped by a waker, claimed by another ender; leave() is due
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

// Waits without a deadline of its own: sets the slot of the caller's waiter to `slot`, links it
// last into `list`, releases `held` and parks. Returns the status that the waker passed; cancelled
// or timed_out if a stop request or a limit ended the wait (hilo/limit.hpp).
HILO_API status wait_in(wait_list& list, spin_lock& held, void* slot, const char* reason) noexcept;

// The same until `deadline` at most: then timed_out. until_woken is for calls that promise
// something on return: only a waker ends the wait, and no stop request and no limit does.
inline constexpr std::int64_t until_woken = std::numeric_limits<std::int64_t>::min();
inline constexpr std::int64_t no_wait = -1;  // for try_ calls, which never wait

// As until_woken, but the wait also ends at `deadline`, with timed_out. These deadlines have the
// sign bit set; all others except no_wait are 0 or more.
constexpr std::int64_t until_woken_or(std::int64_t deadline) noexcept {
  if (deadline == no_deadline) return until_woken;
  return (deadline > 0 ? deadline : 1) + until_woken;
}
constexpr bool is_only_woken(std::int64_t deadline) noexcept {
  return deadline < no_wait;
}
HILO_API status wait_in_until(wait_list& list, spin_lock& held, void* slot, std::int64_t deadline,
                              const char* reason) noexcept;

// The path of these calls if there is a deadline, a limit, or a stop request.
status wait_limited(wait_list& list, spin_lock& held, void* slot, std::int64_t deadline,
                    const char* reason) noexcept;

// wait_in_until in two halves, for a caller that has work between linking and parking. begin_wait:
// `guard`, the lock of `list`, is held and stays held. Unless it returns ok, the wait ended before
// it began, and nothing is linked. `deadline` becomes the nearest deadline that applies.
HILO_API status begin_wait(waiter& self, wait_list& list, spin_lock& guard, void* slot,
                           std::int64_t& deadline) noexcept;
HILO_API status finish_wait(waiter& self, std::int64_t deadline, const char* reason) noexcept;

// For waits in no list, or in several: sleep and select. limit_wait: unless it returns ok, the wait
// ended before it began; `deadline` becomes the nearest deadline that applies. open_wait: from now
// on enders that find the waiter in a list may claim it. show_wait: from now on interrupts may
// claim it too. sit_out: parks. close_wait: all nodes are unlinked again, and the waiter is free
// for the next wait. finish_wait is sit_out and close_wait.
HILO_API status limit_wait(waiter& self, std::int64_t& deadline) noexcept;
void open_wait(waiter& self) noexcept;
void show_wait(waiter& self) noexcept;
status sit_out(waiter& self, std::int64_t deadline, const char* reason) noexcept;
void close_wait(waiter& self) noexcept;

// For destructors: aborts with `message` if a waiter is in the list, and waits for waiters that are
// just leaving.
HILO_API void retire(wait_list& list, spin_lock& guard, const char* message) noexcept;

// Claims a wait from outside its list, and unlinks the waiter. True: the caller has to wake it.
bool end_wait(waiter& who) noexcept;
// The second half of end_wait, for a caller that has claimed the wait.
void leave_claimed(waiter& who) noexcept;

// These two end the wait of `who` with cancelled, unless it is shielded against `depth`. Between
// them the caller stores the reason where reached() finds it, and calls heavy_fence(). Several
// interrupts may share one fence, and then their second halves are in two steps, below.
void begin_interrupt(waiter& who) noexcept;
void finish_interrupt(waiter& who, std::uint16_t depth) noexcept;

// finish_interrupt() for several waiters: first all are claimed, then those for which that returned
// true are ended. Between begin_interrupt() and the claim the caller waits for nothing, because a
// waiter that begins its next wait sits out its interrupts under the lock of a primitive. To end a
// wait takes such a lock. A waiter that was claimed is parked, and holds none.
bool claim_interrupted(waiter& who, std::uint16_t depth) noexcept;
void end_interrupted(waiter& who) noexcept;

// The first half for a fiber's own stop request, which has depth 0.
inline void begin_stop(waiter& who) noexcept {
  begin_interrupt(who);
  who.stop_requested.store(true, std::memory_order_release);  // with (E3)
}

}  // namespace hilo::detail
