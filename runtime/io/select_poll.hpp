// A case of a select in flight: a poll of its descriptor. It is linked into the descriptor's slot
// like any call, so that close() finds it.
//
// A driver never decides for the select. It tells the select to look again, under the lock of the
// case, and leaves its knowledge there. The ring leaves the result of the poll. close() leaves
// the fact that the descriptor is being closed. epoll leaves nothing, because its event may belong
// to a file that had the number before.
//
//   select                                   driver, or close()
//   links its node; begin()
//   parks                                    tell(): under the case's lock, pops the node; wakes
//   unlinks its nodes; give_up() of each
//   dispose() of each                        land(): the same, and it is not in flight any more
//
// The select waits for a poll that it gave up: dispose() parks in the case's own list until the
// poll has landed. The poll has no buffer, but the ring knows it by its address. And until the poll
// is over, it may not have been submitted, and would then meet the file that gets the number next.
// After dispose() the caller may close the descriptor in any way. With epoll nothing is in flight,
// and end() only unlinks.
//   Rejected: polls that the ring owns and frees when they land. A select that lost would return
//   without a trip through the ring. But each such select would leave work in the ring, without a
//   bound; and close() would wait for polls whose fibers no longer know of them.
//
// A thread that does not run a fiber lets another thread make the call, because it cannot wait both
// in its futex and for a descriptor.
#pragma once

#include <mutex>
#include <optional>

#include "hilo/detail/channel_core.hpp"
#include "hilo/detail/ready_case.hpp"
#include "hilo/result.hpp"
#include "hilo/thread.hpp"

#include "runtime/io/pending.hpp"
#include "runtime/io/port.hpp"

namespace hilo::io {

using discovery = std::optional<result<short>>;  // nothing: look again

struct select_poll : pending {
  explicit select_poll(detail::ready_case& whose) noexcept : its(whose) {
    of_select = this;
    fd = whose.fd_;
    events = static_cast<std::uint16_t>(whose.events_);
  }

  detail::ready_case& its;
  port* where = nullptr;   // the port that began it; the owner's
  bool mailed = false;     // the owner's
  bool in_flight = false;  // the ring has it; guarded by the lock of the case
  thread helper;           // in place of a driver

  short wanted() const noexcept { return its.events_; }

  // Makes the select look again. If it returns a waiter, the caller must wake that waiter with
  // try_again. Null: the wait has ended in another way.
  detail::waiter* tell(const discovery& found) noexcept {
    const std::scoped_lock guard(its.lock_);
    return tell_locked(found);
  }

  // The same if the poll has ended in the kernel. From then on this object may be gone.
  detail::waiter* land(const discovery& found) noexcept {
    const std::scoped_lock guard(its.lock_);
    in_flight = false;
    return tell_locked(found);
  }

  // Called by its owner in begin(), if it cannot begin.
  void fail(status why, int error) noexcept {
    if (detail::waiter* const who = land(hilo::result<short>(why, error))) {
      detail::wake(*who, detail::try_again);
    }
  }

  bool is_in_flight() noexcept {
    const std::scoped_lock guard(its.lock_);
    return in_flight;
  }

  // Parks: until the poll has landed. close() may wake it before that.
  void outlast_flight() noexcept {
    its.lock_.lock();
    while (in_flight) {
      (void)detail::wait_in_until(its.waiters_, its.lock_, nullptr, detail::until_woken,
                                  "io cancellation");
      its.lock_.lock();
    }
    its.lock_.unlock();
  }

 private:
  detail::waiter* tell_locked(const discovery& found) noexcept {
    if (found.has_value()) its.found_ = found;
    detail::wait_node* const one = its.waiters_.pop();
    return one != nullptr ? one->owner : nullptr;
  }
};

}  // namespace hilo::io
