// What a case of a select has in flight: a poll of its descriptor, linked into the descriptor's
// slot like any call, so that close() finds it.
//
// No driver decides for the select. It tells it to look again, under the lock of the case, and
// leaves there what it knows: the ring what the poll returned; close(), that the descriptor is
// being closed; epoll nothing, since its event may be that of a file that had the number before.
//
//   select                                   driver, or close()
//   links its node; begin()
//   parks                                    tell(): under the case's lock, pops the node; wakes
//   unlinks its nodes; give_up() of each
//   dispose() of each                        land(): the same, and it is not in flight any more
//
// A poll that was given up is waited for: dispose() parks in the case's own list until it has
// landed. It has no buffer, but the ring knows it by its address, and until it is over it may not
// have been submitted, and would meet whatever file gets the number next; afterwards the caller may
// close the descriptor in any way. With epoll nothing is in flight, and end() only unlinks.
//   Rejected: polls that the ring owns and frees when they land. A select that lost would return
//   without a trip through the ring, but leave it something to do, as often as it likes; and
//   close() would wait for polls of fibers that know nothing of them any more.
//
// A thread that runs no fiber has another one make the call, since it cannot wait both in its futex
// and for a descriptor.
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
  port* where = nullptr;   // where it was begun; the owner's
  bool mailed = false;     // the owner's
  bool in_flight = false;  // the ring has it; guarded by the lock of the case
  thread helper;           // in place of a driver

  short wanted() const noexcept { return its.events_; }

  // Has the select look again. Whom it returns the caller has to wake with try_again; null: its
  // wait has ended otherwise.
  detail::waiter* tell(const discovery& found) noexcept {
    const std::scoped_lock guard(its.lock_);
    return tell_locked(found);
  }

  // The same when it has ended in the kernel: from then on it may be gone.
  detail::waiter* land(const discovery& found) noexcept {
    const std::scoped_lock guard(its.lock_);
    in_flight = false;
    return tell_locked(found);
  }

  // By its owner in begin(), when it cannot begin.
  void fail(status why, int error) noexcept {
    if (detail::waiter* const who = land(hilo::result<short>(why, error))) {
      detail::wake(*who, detail::try_again);
    }
  }

  bool is_in_flight() noexcept {
    const std::scoped_lock guard(its.lock_);
    return in_flight;
  }

  // Parks: until it has landed. close() may wake it before that.
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
