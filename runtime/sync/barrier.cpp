// Rounds follow each other. At most two rounds are open at a time. The completion of a round runs
// without the lock. While it runs, arrivals count for the next round (`early_`), because a
// participant whose wait was ended by a stop may arrive that early. So there are two lists: one for
// the waiters of this round, one for the next. If the next round is already full when a completion
// returns, the same caller completes that round too, because no other arrival will.
#include "hilo/barrier.hpp"

#include <utility>

#include "runtime/base/check.hpp"

namespace hilo {

barrier::barrier(std::ptrdiff_t participants, std::function<void()> completion)
    : participants_(participants), missing_(participants), completion_(std::move(completion)) {
  HILO_CHECK(participants >= 0, "a barrier is made for %td participants", participants);
}

barrier::~barrier() {
  constexpr const char* message = "a barrier is destroyed while somebody waits on it";
  detail::retire(waiters_[0], lock_, message);
  detail::retire(waiters_[1], lock_, message);
}

// Counts arrivals. The caller holds lock_. Returns the round that the arrivals belong to.
std::uint64_t barrier::arrive_locked(std::ptrdiff_t count) noexcept {
  HILO_CHECK(count > 0, "%td arrive at a barrier; it must be 1 or more", count);
  const std::ptrdiff_t room = completing_ ? participants_ - early_ : missing_;
  HILO_CHECK(count <= room, "more arrive at a barrier than it has participants");
  if (completing_) {
    early_ += count;
    return round_ + 1;
  }
  missing_ -= count;
  return round_;
}

// Ends the round if no arrival is missing. The caller holds lock_; if the round ends, lock_ is
// released.
bool barrier::complete_if_full() noexcept {
  if (completing_ || missing_ != 0) return false;
  completing_ = true;
  do {
    if (completion_) {
      lock_.unlock();  // it may take long, or park
      completion_();
      lock_.lock();
    }
    led_[round_ % 2] = false;
    detail::wait_node* const all = waiters_of(round_).take_all();
    ++round_;
    missing_ = participants_ - early_;
    participants_ -= leaving_;
    completing_ = missing_ == 0 && early_ != 0;  // if true, the next round is full
    const bool again = completing_;
    early_ = 0;
    leaving_ = 0;
    lock_.unlock();
    detail::wake_all(all, status::ok);  // unless `again`, the barrier may be gone from here on
    if (!again) return true;
    lock_.lock();
  } while (true);
}

status barrier::finish_arrival(std::uint64_t round, std::int64_t deadline) noexcept {
  if (complete_if_full()) return status::ok;
  return detail::wait_in_until(waiters_of(round), lock_, nullptr, deadline, "barrier");
}

status barrier::arrive_and_wait_until(std::int64_t deadline) noexcept {
  lock_.lock();
  return finish_arrival(arrive_locked(1), deadline);
}

bool barrier::arrive_and_elect() noexcept {
  lock_.lock();
  const std::uint64_t round = arrive_locked(1);
  const bool leads = !std::exchange(led_[round % 2], true);
  (void)finish_arrival(round, detail::until_woken);
  return leads;
}

barrier::arrival_token barrier::arrive(std::ptrdiff_t count) noexcept {
  lock_.lock();
  const std::uint64_t round = arrive_locked(count);
  if (!complete_if_full()) lock_.unlock();
  return arrival_token(round);
}

status barrier::wait_until(std::uint64_t round, std::int64_t deadline) const noexcept {
  lock_.lock();
  if (round_ > round) {
    lock_.unlock();
    return status::ok;
  }
  return detail::wait_in_until(waiters_of(round), lock_, nullptr, deadline, "barrier");
}

void barrier::arrive_and_drop() noexcept {
  lock_.lock();
  (void)arrive_locked(1);
  if (completing_) {
    ++leaving_;
  } else {
    --participants_;
  }
  if (!complete_if_full()) lock_.unlock();
}

}  // namespace hilo
