#include "hilo/oneshot.hpp"

#include <mutex>

namespace hilo::detail {

oneshot_core::~oneshot_core() {
  retire(waiters, lock, "the last end of a oneshot goes while somebody waits on it");
}

void oneshot_core::add_sender() noexcept {
  const std::scoped_lock guard(lock);
  sending = true;
}

void oneshot_core::drop_sender() noexcept {
  lock.lock();
  sending = false;
  wait_node* const all = waiters.take_all();
  lock.unlock();
  wake_all(all, status::closed);
}

void oneshot_core::add_receiver() noexcept {
  const std::scoped_lock guard(lock);
  receiving = true;
}

void oneshot_core::drop_receiver() noexcept {
  const std::scoped_lock guard(lock);
  receiving = false;
}

bool oneshot_core::has_receiver() const noexcept {
  count_eager();
  const std::scoped_lock guard(lock);
  return receiving;
}

void oneshot_core::publish() noexcept {
  lock.lock();
  state = oneshot_state::sent;
  wait_node* const all = waiters.take_all();
  lock.unlock();
  wake_all(all, try_again);
}

status oneshot_core::take() noexcept {
  if (state == oneshot_state::pending) return sending ? status::would_block : status::closed;
  const bool mine = state == oneshot_state::sent;
  state = oneshot_state::taken;
  return mine ? status::ok : status::closed;
}

status oneshot_core::wait(std::int64_t deadline) noexcept {
  while (true) {
    lock.lock();
    const status now = take();
    if (now != status::would_block || deadline == no_wait) {
      lock.unlock();
      count_eager();
      return now;
    }
    const status end = wait_in_until(waiters, lock, nullptr, deadline, "oneshot receive");
    if (end != try_again) return end;
  }
}

}  // namespace hilo::detail
