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
  HILO_CHECK(change <= PTRDIFF_MAX - count_ || change < 0, "a %s counts too much", what);
  count_ += change;
  wait_node* const all = count_ == 0 ? waiters_.take_all() : nullptr;
  lock_.unlock();
  wake_all(all, status::ok);
}

void countdown::count_down(std::ptrdiff_t by, const char* what) noexcept {
  HILO_CHECK(by >= 0, "a %s is counted down by %td; it cannot be negative", what, by);
  change(-by, what);
}

bool countdown::is_open() const noexcept {
  lock_.lock();
  const bool open = count_ == 0;
  lock_.unlock();
  if (!open) count_eager();
  return open;
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
  lock_.lock();
  const bool set = set_;
  lock_.unlock();
  if (!set) detail::count_eager();
  return set;
}

status event::wait_until_ns(std::int64_t deadline) const noexcept {
  lock_.lock();
  if (set_) {
    lock_.unlock();
    return status::ok;
  }
  return detail::wait_in_until(waiters_, lock_, nullptr, deadline, "event");
}

auto_reset_event::~auto_reset_event() {
  detail::retire(waiters_, lock_, "an auto_reset_event is destroyed while somebody waits on it");
}

void auto_reset_event::set() noexcept {
  lock_.lock();
  detail::wait_node* const one = waiters_.pop();
  if (one == nullptr) set_ = true;
  lock_.unlock();
  if (one != nullptr) detail::wake(*one->owner, status::ok);
}

void auto_reset_event::reset() noexcept {
  const std::scoped_lock guard(lock_);
  set_ = false;
}

bool auto_reset_event::try_wait() noexcept {
  lock_.lock();
  const bool mine = std::exchange(set_, false);
  lock_.unlock();
  if (!mine) detail::count_eager();
  return mine;
}

status auto_reset_event::wait_until_ns(std::int64_t deadline) noexcept {
  lock_.lock();
  if (std::exchange(set_, false)) {
    lock_.unlock();
    return status::ok;
  }
  return detail::wait_in_until(waiters_, lock_, nullptr, deadline, "auto_reset_event");
}

}  // namespace hilo
