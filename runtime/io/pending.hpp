// A call in flight, and the descriptor that it is for.
//
// A call lies in the frame of its fiber. It is linked into its descriptor's slot, whose lock guards
// the links. So a close of the descriptor finds the fibers that wait for it. A slot is found by
// number. The number may have been closed without io::close() and mean another file by now. Then
// the calls for the old file are only woken, and try again: no driver takes a wake-up for a result.
//
// Ending the wait. The call is in no wait list. So the wait is ended by the party that makes the
// waiter's `claimed` odd (hilo/detail/waiter.hpp): the driver, a deadline, a stop request, or
// close(). If it was not the driver, the ring may still write into the caller's buffer. Then the
// fiber asks the ring to cancel the call, and still waits for its completion:
//
//   driver                                   fiber, if another party ended its wait
//   result := …                              ask for the cancellation
//   claim fails                              phase.exchange(abandoned)  acq_rel (A1)
//   phase.exchange(complete)  acq_rel (A2)   it was complete: return; else park
//   it was abandoned: wake the fiber
//
// Both exchange one word, so the second sees the first. The waiter stays claimed until then, so no
// other party ends that second wait.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>

#include "hilo/detail/spin_lock.hpp"
#include "hilo/detail/waiter.hpp"
#include "hilo/status.hpp"

namespace hilo::io {

struct select_poll;

struct pending {
  detail::waiter* who = nullptr;
  select_poll* of_select = nullptr;  // itself, if it is a select's: no call, and tell() claims it
  int fd = -1;
  std::int32_t result = 0;   // written by the driver before it wakes, or (A2)
  std::uint32_t events = 0;  // epoll: waited for
  bool several = false;      // no call: an operation
  bool linked = false;       // guarded by the slot's lock, as the links are
  bool told = false;         // likewise; epoll: it was told of an event and will try again
  pending* next = nullptr;
  pending* previous = nullptr;
  pending* next_woken = nullptr;  // of the poller, once the poller claimed it
  pending* next_asked = nullptr;  // in a ring's mail, guarded by its lock
  bool asked = false;             // likewise

  enum : std::uint32_t { under_way, abandoned, complete };
  std::atomic<std::uint32_t> phase{under_way};  // (A1), (A2)

  // Returns true if the caller ends the wait. The caller must then wake the waiter.
  bool claim() noexcept { return who->claim(); }
};

// The kind of a descriptor when a fiber first read or wrote it by its number.
enum class descriptor_kind : std::uint8_t { unknown, device, other };

struct slot {
  detail::spin_lock lock;
  // A hint: the number may mean another file now, if it was not closed by io::close(). Relaxed:
  // publishes nothing.
  std::atomic<descriptor_kind> kind{descriptor_kind::unknown};
  // All of these, and the lists that they lead to, are guarded by lock.
  bool in_epoll = false;  // a hint: whether to try ADD or MOD first
  pending* first = nullptr;
  detail::wait_list closers;  // each waits until nothing is linked for its descriptor

  detail::wait_node* take_closers(int fd) noexcept;
  // Whether calls for the descriptor may no longer begin.
  bool is_closing(int fd) const noexcept;
  void link(pending& one) noexcept {
    one.linked = true;
    one.previous = nullptr;
    one.next = first;
    if (first != nullptr) first->previous = &one;
    first = &one;
  }
  void unlink(pending& one) noexcept {
    one.linked = false;
    (one.previous != nullptr ? one.previous->next : first) = one.next;
    if (one.next != nullptr) one.next->previous = one.previous;
  }
};

// The slot of a descriptor. There is one table for the process, as there is one table of
// descriptors. Slots are never freed. Null if there is no memory for the slot. Numbers too large
// for the table share slots.
slot* slot_of(int fd) noexcept;

// Calls f on each slot that exists, in no order.
void for_each_slot(const std::function<void(slot&)>& f);

// Called in the child of a fork: forgets the calls that its parent's fibers have in flight, and the
// locks that they held.
void forget_calls() noexcept;

// Unlinks a call that is over.
void unlink_from(slot& its, pending& one) noexcept;

// A descriptor is being closed. When the constructor returns, the waits of all fibers for it have
// ended with closed, and no call for it is in flight. Otherwise a call that its ring has not
// submitted yet would meet the file that gets the number next. While this object lives, no call
// begins, because it holds the slot's lock. So it has to outlive close(2): if a call came between
// the two, it would hold the file open and wait for an event that never comes. Rejected: a mark
// instead of the lock. Other threads get the number before close(2) returns.
class closing {
 public:
  // Parks: until no call is in flight. A limit does not end this.
  explicit closing(int fd) noexcept;
  ~closing();
  closing(const closing&) = delete;
  closing& operator=(const closing&) = delete;

 private:
  slot* const its_;
};

// Several calls of a fiber for one descriptor by its number. While this object lives, a close()
// waits. So none of these calls meets the file that gets the number next. Calls that begin after
// the close began, and calls that wait, end with closed. This delays close(), so nothing else
// inside may wait for long. In a thread that does not run a fiber it does nothing: close() wakes
// none of its calls.
class operation {
 public:
  explicit operation(int fd) noexcept;
  ~operation();
  operation(const operation&) = delete;
  operation& operator=(const operation&) = delete;

  // Whether the operation came too late: the descriptor is being closed.
  bool refused() const noexcept { return refused_; }

 private:
  slot* its_ = nullptr;
  pending link_;
  bool refused_ = false;
};

// The other descriptor of a call that uses two. While this object lives, a close of that descriptor
// also ends the wait of `who`. Made after open_wait. If the descriptor is already being closed,
// `end` says so.
class other_end {
 public:
  other_end(int fd, detail::waiter& who, status& end) noexcept {
    if (fd >= 0) [[unlikely]]
      link(fd, who, end);
  }
  ~other_end() { leave(); }
  other_end(const other_end&) = delete;
  other_end& operator=(const other_end&) = delete;

  // Called before close_wait: from then on the waiter cannot be found through it.
  void leave() noexcept {
    if (its_ != nullptr) [[unlikely]]
      unlink_from(*std::exchange(its_, nullptr), *link_);
  }
  // The same if the waiter did not wait.
  void withdraw() noexcept {
    if (its_ != nullptr) [[unlikely]]
      unlink_and_settle();
  }

 private:
  void link(int fd, detail::waiter& who, status& end) noexcept;
  void unlink_and_settle() noexcept;

  slot* its_ = nullptr;
  std::optional<pending> link_;  // set if there is another descriptor, which is rare
};

}  // namespace hilo::io
