// Timers and tickers: a time, and two wait lists whose deadline is that time. Plain waits are in
// the first list, selects in the second.
//
// When a deadline ends a wait, the clock has passed the deadline before the timer's lock is taken.
// And each call reads the clock under the lock. So if a call changes the time while the time of a
// wait comes, there are two cases:
//   - The call reads a clock before the old time. Then the old time will not come. The node of the
//     wait is still linked, and the call says so in the node's slot. A deadline may still claim the
//     wait after that, but the wait's owner finds the slot.
//   - The call reads a clock after the old time. Then the timer has fired. The call tells the
//     linked waits so. A wait that is no longer linked was ended by its deadline.
// Rejected: the owner looks at the timer again once its time has come. By then the timer may have
// been set again, and the firing that another call has reported is lost.
#include "hilo/timer.hpp"

#include <algorithm>
#include <mutex>
#include <optional>

#include "runtime/base/check.hpp"

namespace hilo {
namespace {

// Ends all waits in the list, which the caller's lock guards. The slot is for waits that end by
// themselves at this moment.
detail::wait_node* end_all(detail::wait_list& list, status how) noexcept {
  for (detail::wait_node* one = list.first(); one != nullptr; one = one->next) {
    *static_cast<std::optional<status>*>(one->slot) = how;
  }
  return list.take_all();
}

}  // namespace

timer::~timer() {
  detail::retire(waiters_, lock_, "a timer is destroyed while somebody waits for it");
  detail::retire(selects_, lock_, "a timer is destroyed while a select waits for it");
}

bool timer::set(std::int64_t when) noexcept {
  lock_.lock();
  const bool had_fired = is_due();
  const bool was_active = set_ && !had_fired;
  set_ = true;
  due_ = when;
  const status how = had_fired ? status::ok : detail::try_again;  // to look at the new time
  detail::wait_node* const waits = end_all(waiters_, how);
  detail::wait_node* const selects = end_all(selects_, how);
  lock_.unlock();
  detail::wake_all(waits, how);
  detail::wake_all(selects, how);
  return was_active;
}

// Selects stay: they wait for their other cases, or for a new time.
bool timer::cancel() noexcept {
  lock_.lock();
  if (!set_ || is_due()) {
    lock_.unlock();
    return false;
  }
  set_ = false;
  detail::wait_node* const waits = end_all(waiters_, status::closed);
  lock_.unlock();
  detail::wake_all(waits, status::closed);
  return true;
}

status timer::wait() noexcept {
  detail::waiter& self = detail::current_waiter();
  while (true) {
    lock_.lock();
    if (!set_ || is_due()) {
      const status end = set_ ? status::ok : status::closed;
      lock_.unlock();
      detail::count_eager();
      return end;
    }
    const std::int64_t due = due_;
    std::int64_t deadline = due;
    std::optional<status> told;
    status end = detail::begin_wait(self, waiters_, lock_, &told, deadline);
    lock_.unlock_to_wait();
    if (end != status::ok) {
      detail::count_eager();
      return end;
    }
    end = detail::finish_wait(self, deadline, "timer");
    if (told.has_value()) end = *told;
    if (end == detail::try_again) continue;
    return end == status::timed_out && deadline == due ? status::ok : end;
  }
}

bool timer::has_fired() const noexcept {
  {
    const std::scoped_lock guard(lock_);
    if (is_due()) return true;
  }
  detail::count_eager();
  return false;
}

ticker::ticker(std::int64_t period, missed_ticks policy) noexcept
    : policy_(policy),
      period_(period),
      next_(detail::nanoseconds_later(detail::monotonic_now(), std::max<std::int64_t>(period, 0))) {
  HILO_CHECK(period > 0, "a ticker is made with a period of %lld ns",
             static_cast<long long>(period));
}

ticker::~ticker() {
  detail::retire(waiters_, lock_, "a ticker is destroyed while somebody waits for it");
  detail::retire(selects_, lock_, "a ticker is destroyed while a select waits for it");
}

// Takes the next tick if its time has come. Under the lock.
bool ticker::take() noexcept {
  if (stopped_) return false;
  const std::int64_t now = detail::monotonic_now();
  if (next_ > now) return false;
  if (policy_ == missed_ticks::skip && now - next_ >= period_) {
    // The newest tick that has passed is taken. Earlier ticks are left out.
    const std::int64_t passed = (now - next_) / period_;
    skipped_ += static_cast<std::uint64_t>(passed);
    next_ += passed * period_;
  }
  next_ = detail::nanoseconds_later(policy_ == missed_ticks::delay ? now : next_, period_);
  return true;
}

// The wait with the slot `mine` is over. If it was the first, the longest remaining wait becomes
// the first, and the caller must wake it to look again. Under the lock.
detail::wait_node* ticker::pass_on(const void* mine) noexcept {
  if (first_ != mine) return nullptr;
  detail::wait_node* const next = waiters_.pop();
  first_ = next != nullptr ? next->slot : nullptr;
  return next;
}

status ticker::wait() noexcept {
  detail::waiter& self = detail::current_waiter();
  char mine = 0;  // its address distinguishes this wait from other waits
  while (true) {
    lock_.lock();
    // A tick that is due belongs to the wait that began first.
    const bool foremost = first_ == nullptr || first_ == &mine;
    status end = stopped_ ? status::closed : foremost && take() ? status::ok : status::would_block;
    std::int64_t deadline = detail::no_deadline;
    if (end == status::would_block) {
      if (first_ == nullptr) first_ = &mine;
      if (first_ == &mine) deadline = next_;
      const std::int64_t own = deadline;
      end = detail::begin_wait(self, waiters_, lock_, &mine, deadline);
      if (end == status::ok) {
        lock_.unlock_to_wait();
        end = detail::finish_wait(self, deadline, "ticker");
        if (end == detail::try_again || (end == status::timed_out && deadline == own)) continue;
        lock_.lock();
        detail::wait_node* const next = pass_on(&mine);
        lock_.unlock();
        if (next != nullptr) detail::wake(*next->owner, detail::try_again);
        return end;
      }
    }
    detail::wait_node* const next = pass_on(&mine);
    lock_.unlock();
    if (next != nullptr) detail::wake(*next->owner, detail::try_again);
    detail::count_eager();
    return end;
  }
}

bool ticker::restart(std::int64_t period, std::int64_t first) noexcept {
  HILO_CHECK(period > 0, "a ticker is reset to a period of %lld ns",
             static_cast<long long>(period));
  lock_.lock();
  const bool was_running = !stopped_;
  const std::int64_t now = detail::monotonic_now();
  stopped_ = false;
  period_ = period;
  next_ = first == detail::no_wait ? detail::nanoseconds_later(now, period) : std::max(first, now);
  first_ = nullptr;
  detail::wait_node* const waits = waiters_.take_all();
  detail::wait_node* const selects = selects_.take_all();
  lock_.unlock();
  detail::wake_all(waits, detail::try_again);
  detail::wake_all(selects, detail::try_again);
  return was_running;
}

// Selects stay: they wait for their other cases, or for reset().
bool ticker::stop() noexcept {
  lock_.lock();
  const bool was_running = !stopped_;
  stopped_ = true;
  first_ = nullptr;
  detail::wait_node* const waits = waiters_.take_all();
  lock_.unlock();
  detail::wake_all(waits, status::closed);
  return was_running;
}

std::chrono::steady_clock::time_point ticker::next_tick() const noexcept {
  detail::count_eager();
  const std::scoped_lock guard(lock_);
  return std::chrono::steady_clock::time_point(std::chrono::nanoseconds(next()));
}

std::uint64_t ticker::skipped() const noexcept {
  detail::count_eager();
  const std::scoped_lock guard(lock_);
  return skipped_;
}

namespace detail {

status timer_case::attempt(partner&) {
  if (answer_ == status::ok || what_.is_due()) return status::ok;
  answer_.reset();
  due_ = what_.next();
  return status::would_block;
}

status ticker_case::attempt(partner&) {
  if (what_.take()) return status::ok;
  next_ = what_.next();
  return status::would_block;
}

}  // namespace detail
}  // namespace hilo
