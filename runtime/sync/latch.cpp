#include "hilo/latch.hpp"

#include <mutex>
#include <utility>

#include "runtime/base/check.hpp"

namespace hilo {
namespace detail {

countdown::~countdown() {
  detail::retire(waiters_, lock_, "a latch or wait_group is destroyed while somebody waits on it");
}

void countdown::change(std::ptrdiff_t change, const char* what) noexcept {
  lock_.lock();
  HILO_CHECK(change >= 0 || count_ >= -change, "a %s is counted below 0", what);
  count_ += change;
  wait_node* const all = count_ == 0 ? waiters_.take_all() : nullptr;
  lock_.unlock();
  wake_all(all, status::ok);
}

bool countdown::is_open() const noexcept {
  const std::scoped_lock guard(lock_);
  return count_ == 0;
}

status countdown::wait_until(std::int64_t deadline, const char* reason) const noexcept {
  lock_.lock();
  if (count_ == 0) {
    lock_.unlock();
    return status::ok;
  }
  return wait_in_until(waiters_, lock_, nullptr, deadline, reason);
}

}  // namespace detail

event::~event() {
  detail::retire(waiters_, lock_, "an event is destroyed while somebody waits on it");
}

void event::set() noexcept {
  lock_.lock();
  set_ = true;
  detail::wait_node* const all = waiters_.take_all();
  lock_.unlock();
  detail::wake_all(all, status::ok);
}

void event::reset() noexcept {
  const std::scoped_lock guard(lock_);
  set_ = false;
}

bool event::is_set() const noexcept {
  const std::scoped_lock guard(lock_);
  return set_;
}

status event::wait_until_ns(std::int64_t deadline) const noexcept {
  lock_.lock();
  if (set_) {
    lock_.unlock();
    return status::ok;
  }
  return detail::wait_in_until(waiters_, lock_, nullptr, deadline, "event");
}

barrier::barrier(std::ptrdiff_t participants, std::function<void()> completion)
    : participants_(participants), missing_(participants), completion_(std::move(completion)) {
  HILO_CHECK(participants >= 0, "a barrier is made for %td participants", participants);
}

barrier::~barrier() {
  detail::retire(waiters_, lock_, "a barrier is destroyed while somebody waits on it");
}

// Counts an arrival; lock_ is held. False when others are still missing. True: the round is over,
// the lock released and the others woken.
bool barrier::arrive_locked() noexcept {
  HILO_CHECK(missing_ > 0, "more arrive at a barrier than it has participants");
  if (--missing_ != 0) return false;
  // Nobody can arrive before the round is over: all participants are here. So the completion runs
  // without the lock, and may take its time or park.
  lock_.unlock();
  if (completion_) completion_();
  lock_.lock();
  missing_ = participants_;
  detail::wait_node* const all = waiters_.take_all();
  lock_.unlock();
  detail::wake_all(all, status::ok);
  return true;
}

status barrier::arrive_and_wait_until(std::int64_t deadline) noexcept {
  lock_.lock();
  if (arrive_locked()) return status::ok;
  return detail::wait_in_until(waiters_, lock_, nullptr, deadline, "barrier");
}

void barrier::arrive_and_drop() noexcept {
  lock_.lock();
  --participants_;
  if (!arrive_locked()) lock_.unlock();
}

}  // namespace hilo
