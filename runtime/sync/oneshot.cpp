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
  ++receivers;
}

void oneshot_core::drop_receiver() noexcept {
  const std::scoped_lock guard(lock);
  --receivers;
}

bool oneshot_core::has_receiver() const noexcept {
  count_eager();
  const std::scoped_lock guard(lock);
  return receivers != 0;
}

void oneshot_core::publish() noexcept {
  lock.lock();
  state = oneshot_state::sent;
  wait_node* const all = waiters.take_all();
  lock.unlock();
  wake_all(all, try_again);
}

status oneshot_core::take() noexcept {
  const status now = look();
  if (now == status::ok) state = oneshot_state::taken;
  return now;
}

status oneshot_core::wait(std::int64_t deadline, oneshot_use use) noexcept {
  while (true) {
    lock.lock();
    const status now = use == oneshot_use::alone ? take() : look();
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
