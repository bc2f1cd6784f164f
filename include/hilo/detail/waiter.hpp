// The one way to wait. A waiter is a parked fiber or a kernel thread asleep in a futex; everything
// that makes callers wait queues waiters and wakes them, and does not know which kind they are.
//
// Protocol. A primitive is a spin_lock, its state, and wait_lists guarded by that lock.
//
//   to wait, under the lock:     wait_in(list, lock): links the caller, unlocks, parks
//   to wake, under the lock:     unlink a waiter (that makes the wake yours alone); unlock; wake()
//
// Each waiter that is linked is unlinked by exactly one waker, is woken once, and parks once: the
// order of park and wake does not matter, a wake that comes first is kept. After wake() the waker
// does not touch the waiter again: its owner may be gone. A deadline is one more waker: it takes
// the lock, and wins if the waiter is still linked.
//
// The waiter belongs to the fiber or thread and not to the call, so the functions that park keep
// nothing on the stack and can leave it by a jump (runtime/context/context.hpp).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "hilo/detail/api.hpp"
#include "hilo/detail/spin_lock.hpp"
#include "hilo/status.hpp"

namespace hilo::detail {

enum class waiter_kind : std::uint8_t { fiber, thread };

class wait_list;

struct waiter {
  explicit waiter(waiter_kind which) noexcept : kind(which) {}
  waiter(const waiter&) = delete;
  waiter& operator=(const waiter&) = delete;

  waiter* next = nullptr;      // in a wait_list, guarded by its primitive's lock
  waiter* previous = nullptr;  // likewise
  wait_list* list = nullptr;   // the list it is linked in, or null; likewise
  void* slot = nullptr;        // where a value is handed over; set before linking
  waiter_kind kind;

  // Kernel threads only: the futex word. 0 while nobody woke it.
  // Written by the waker, (W1) release: publishes what it did for us. Read and reset by the owner,
  // (W2) acquire.
  std::atomic<std::uint32_t> woken{0};
  status result = status::ok;  // kernel threads only: what park() returns; published by (W1)
};

// The calling fiber's waiter or, outside a runtime, the calling thread's.
HILO_API waiter& current_waiter() noexcept;

// Suspends the caller, whose waiter is `self` and is linked or about to be woken, until wake().
// Returns the status that was passed there. reason: a literal that dumps show ("channel receive").
HILO_API status park(waiter& self, const char* reason) noexcept;

// Ends the wait of a waiter that the caller unlinked. Never parks. From a fiber, another fiber of
// the same runtime is run next by the same carrier, if that parks soon.
HILO_API void wake(waiter& who, status result) noexcept;

// First in, first out. All calls under the lock of the primitive it belongs to.
class wait_list {
 public:
  wait_list() = default;
  wait_list(const wait_list&) = delete;
  wait_list& operator=(const wait_list&) = delete;

  bool empty() const noexcept { return first_ == nullptr; }
  waiter* first() const noexcept { return first_; }

  void push(waiter& one) noexcept {
    one.list = this;
    one.next = nullptr;
    one.previous = last_;
    (last_ != nullptr ? last_->next : first_) = &one;
    last_ = &one;
  }

  void remove(waiter& one) noexcept {
    (one.previous != nullptr ? one.previous->next : first_) = one.next;
    (one.next != nullptr ? one.next->previous : last_) = one.previous;
    one.list = nullptr;
  }

  // The one that waits longest, unlinked; null when empty.
  waiter* pop() noexcept {
    waiter* one = first_;
    if (one == nullptr) return nullptr;
    remove(*one);
    return one;
  }

  // Unlinks all of them; they stay linked to each other by next.
  waiter* take_all() noexcept {
    waiter* const all = first_;
    for (waiter* one = all; one != nullptr; one = one->next) one->list = nullptr;
    first_ = last_ = nullptr;
    return all;
  }

 private:
  waiter* first_ = nullptr;
  waiter* last_ = nullptr;
};

// Ends the wait of all that take_all() gave.
inline void wake_all(waiter* list, status result) noexcept {
  while (list != nullptr) {
    waiter* const after = list->next;  // after wake() the waiter may be gone
    wake(*list, result);
    list = after;
  }
}

// Waits without end: the caller, whose waiter's slot is set to `slot`, is linked last into `list`,
// `held` is released, and the caller parks. Returns what its waker passed.
HILO_API status wait_in(wait_list& list, spin_lock& held, void* slot, const char* reason) noexcept;

// The same until `deadline` (CLOCK_MONOTONIC, nanoseconds): when it passed, the waiter is unlinked
// again under the lock, and timed_out returned. no_deadline waits without end.
inline constexpr std::int64_t no_deadline = std::numeric_limits<std::int64_t>::max();
HILO_API status wait_in_until(wait_list& list, spin_lock& held, void* slot, std::int64_t deadline,
                              const char* reason) noexcept;

// The second half of that, for who linked its waiter and released the lock of the list itself.
HILO_API status park_until(waiter& self, spin_lock& lock, std::int64_t deadline,
                           const char* reason) noexcept;

}  // namespace hilo::detail
