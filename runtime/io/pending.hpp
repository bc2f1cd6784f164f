// A call in flight, and the descriptor that it is for.
//
// The call lies in the frame of its fiber and is linked into its descriptor's slot, whose lock
// guards the links. So closing a descriptor finds who waits for it. A slot is found by number; if
// the number was closed behind our back and means another file by now, what is linked for the old
// one is merely woken, and tries again: no driver takes a wake-up for a result.
//
// Who ends the wait. It is in no wait list, so whoever makes the waiter's `claimed` odd
// ends it (hilo/detail/waiter.hpp): the driver, a deadline, a stop request, or close(). If it was
// not the driver, the ring may still write into the caller's buffer. Then the fiber asks the ring
// to cancel the call, and waits for its completion after all:
//
//   driver                                   fiber, whose wait another ended
//   result := …                              ask for the cancellation
//   claim fails                              phase.exchange(abandoned)  acq_rel (A1)
//   phase.exchange(complete)  acq_rel (A2)   it was complete: return; else park
//   it was abandoned: wake the fiber
//
// One word changed by exchanges: the second sees the first. The waiter stays claimed until then, so
// nobody else ends that second wait.
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
  select_poll* of_select = nullptr;  // itself, if it is one: no call, and claimed by tell()
  int fd = -1;
  std::int32_t result = 0;   // written by the driver before it wakes, or (A2)
  std::uint32_t events = 0;  // epoll: waited for
  bool several = false;      // no call: an operation
  bool linked = false;       // guarded by the slot's lock, as the links are
  bool told = false;         // likewise; epoll: of an event, after which it is about to try again
  pending* next = nullptr;
  pending* previous = nullptr;
  pending* next_woken = nullptr;  // of the poller, once it claimed it
  pending* next_asked = nullptr;  // in a ring's mail, guarded by its lock
  bool asked = false;             // likewise

  enum : std::uint32_t { under_way, abandoned, complete };
  std::atomic<std::uint32_t> phase{under_way};  // (A1), (A2)

  // Whether the caller ends the wait, and has to wake the waiter.
  bool claim() noexcept { return who->claim(); }
};

// The kind of a descriptor when a fiber first read or wrote it by its number.
enum class descriptor_kind : std::uint8_t { unknown, device, other };

struct slot {
  detail::spin_lock lock;
  // A hint: the number may mean another file since, if it was not closed by io::close(). Relaxed:
  // publishes nothing.
  std::atomic<descriptor_kind> kind{descriptor_kind::unknown};
  // All guarded by lock, and what they lead to.
  bool in_epoll = false;  // a hint which of ADD and MOD to try first
  pending* first = nullptr;
  detail::wait_list closers;  // each waits until nothing is linked for its descriptor

  detail::wait_node* take_closers(int fd) noexcept;
  // Whether no call for it may begin any more.
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

// The slot of a descriptor: one table for the process, as descriptors are. Slots are never freed.
// Null when there is no memory for it. Numbers too large for the table share slots.
slot* slot_of(int fd) noexcept;

// Calls f on each slot that there is, in no order.
void for_each_slot(const std::function<void(slot&)>& f);

// In the child of a fork: what its parent's fibers have in flight is none of its business, nor are
// locks that they held.
void forget_calls() noexcept;

// Unlinks a call that is over.
void unlink_from(slot& its, pending& one) noexcept;

// A descriptor is being closed. Made: the waits of all fibers for it have ended with closed, and no
// call for it is in flight: one that its ring has not submitted yet would else meet whatever gets
// the number next. While it lives none begins (it has the slot's lock), so it has to outlive
// close(2): a call that came in between would hold the file open and wait for what never comes.
// Rejected: a mark instead of the lock. Others get the number before close(2) returns.
class closing {
 public:
  // Parks: until no call is in flight; not ended by a limit.
  explicit closing(int fd) noexcept;
  ~closing();
  closing(const closing&) = delete;
  closing& operator=(const closing&) = delete;

 private:
  slot* const its_;
};

// Several calls of a fiber for one descriptor by its number: while this lives, who closes it waits.
// So none of them meets whatever gets the number next; those that come after closing began, and
// those that wait, end with closed. It holds close() up, so nothing in it may wait for long
// otherwise. For a thread that runs no fiber it does nothing: close() wakes none of its calls.
class operation {
 public:
  explicit operation(int fd) noexcept;
  ~operation();
  operation(const operation&) = delete;
  operation& operator=(const operation&) = delete;

  // Whether it came too late: the descriptor is being closed.
  bool refused() const noexcept { return refused_; }

 private:
  slot* its_ = nullptr;
  pending link_;
  bool refused_ = false;
};

// The other descriptor of a call that is for two: while this lives, closing that ends the wait of
// `who` as well. Made after open_wait; if it is being closed already, `end` says so.
class other_end {
 public:
  other_end(int fd, detail::waiter& who, status& end) noexcept {
    if (fd >= 0) [[unlikely]]
      link(fd, who, end);
  }
  ~other_end() { leave(); }
  other_end(const other_end&) = delete;
  other_end& operator=(const other_end&) = delete;

  // Before close_wait: nobody finds the waiter by it any more.
  void leave() noexcept {
    if (its_ != nullptr) [[unlikely]]
      unlink_from(*std::exchange(its_, nullptr), *link_);
  }
  // The same when the waiter did not wait.
  void withdraw() noexcept {
    if (its_ != nullptr) [[unlikely]]
      unlink_and_settle();
  }

 private:
  void link(int fd, detail::waiter& who, status& end) noexcept;
  void unlink_and_settle() noexcept;

  slot* its_ = nullptr;
  std::optional<pending> link_;  // where there is another descriptor, which is rare
};

}  // namespace hilo::io
