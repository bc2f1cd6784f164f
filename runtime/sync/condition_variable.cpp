#include "hilo/condition_variable.hpp"

#include <mutex>

namespace hilo {

condition_variable::~condition_variable() {
  detail::retire(waiters_, queue_lock_,
                 "a condition_variable is destroyed while somebody waits on it");
}

void condition_variable::notify_one() noexcept {
  queue_lock_.lock();
  detail::wait_node* const one = waiters_.pop();
  queue_lock_.unlock();
  if (one != nullptr) detail::wake(*one->owner, status::ok);
}

void condition_variable::notify_all() noexcept {
  queue_lock_.lock();
  detail::wait_node* const all = waiters_.take_all();
  queue_lock_.unlock();
  detail::wake_all(all, status::ok);
}

status condition_variable::enqueue(detail::waiter& self, std::int64_t& deadline) noexcept {
  const std::scoped_lock guard(queue_lock_);
  return detail::begin_wait(self, waiters_, queue_lock_, nullptr, deadline);
}

void condition_variable::withdraw(detail::waiter& self) noexcept {
  queue_lock_.lock();
  const bool linked = self.linked.load(std::memory_order_relaxed);
  // An interrupter may already have claimed the wait. Then the interrupter unlinks and wakes us.
  const bool left = linked && self.claim();
  if (left) waiters_.remove(self);
  queue_lock_.unlock();
  const status end = left ? status::cancelled : detail::park(self, "condition_variable");
  detail::close_wait(self);
  if (end == status::ok) notify_one();
}

}  // namespace hilo
