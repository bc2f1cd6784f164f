#include "hilo/timer.hpp"

#include <mutex>

#include "runtime/base/check.hpp"

namespace hilo {

timer::~timer() {
  detail::retire(waiters_, lock_, "a timer is destroyed while somebody waits for it");
}

void timer::set(std::int64_t when) noexcept {
  lock_.lock();
  due_ = when;
  detail::wait_node* const all = waiters_.take_all();
  lock_.unlock();
  detail::wake_all(all, status::ok);  // each looks at the new time
}

bool timer::cancel() noexcept {
  lock_.lock();
  const bool was_set = due_ != detail::no_deadline && due_ > detail::monotonic_now();
  due_ = detail::no_deadline;
  detail::wait_node* const all = waiters_.take_all();
  lock_.unlock();
  detail::wake_all(all, status::cancelled);
  return was_set;
}

status timer::wait() noexcept {
  while (true) {
    lock_.lock();
    const std::int64_t due = due_;
    if (due == detail::no_deadline) {
      lock_.unlock();
      return status::cancelled;
    }
    if (due <= detail::monotonic_now()) {
      lock_.unlock();
      return status::ok;
    }
    const status end = detail::wait_in_until(waiters_, lock_, nullptr, due, "timer");
    if (end == status::cancelled) return end;
    // The time came, it was set again, or a limit around us was nearer.
    if (end == status::timed_out && detail::monotonic_now() < due) return end;
  }
}

bool timer::has_fired() const noexcept {
  const std::scoped_lock guard(lock_);
  return due_ != detail::no_deadline && due_ <= detail::monotonic_now();
}

ticker::ticker(std::int64_t period, missed_ticks policy) noexcept
    : period_(period), policy_(policy), next_(detail::monotonic_now() + period) {
  HILO_CHECK(period > 0, "a ticker is made with a period of %lld ns",
             static_cast<long long>(period));
}

ticker::~ticker() {
  detail::retire(waiters_, lock_, "a ticker is destroyed while somebody waits for it");
}

status ticker::wait() noexcept {
  lock_.lock();
  if (stopped_) {
    lock_.unlock();
    return status::cancelled;
  }
  const std::int64_t now = detail::monotonic_now();
  if (next_ <= now) {
    if (policy_ == missed_ticks::skip && now - next_ >= period_) {
      // The newest tick that passed is taken; those before it are left out.
      const std::int64_t passed = (now - next_) / period_;
      skipped_ += static_cast<std::uint64_t>(passed);
      next_ += passed * period_;
    }
    next_ = (policy_ == missed_ticks::delay ? now : next_) + period_;
    lock_.unlock();
    return status::ok;
  }
  const std::int64_t mine = next_;
  next_ += period_;
  const status end = detail::wait_in_until(waiters_, lock_, nullptr, mine, "ticker");
  return end == status::timed_out && detail::monotonic_now() >= mine ? status::ok : end;
}

void ticker::stop() noexcept {
  lock_.lock();
  stopped_ = true;
  detail::wait_node* const all = waiters_.take_all();
  lock_.unlock();
  detail::wake_all(all, status::cancelled);
}

std::uint64_t ticker::skipped() const noexcept {
  const std::scoped_lock guard(lock_);
  return skipped_;
}

}  // namespace hilo
