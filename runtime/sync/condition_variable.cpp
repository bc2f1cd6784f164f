#include "hilo/condition_variable.hpp"

#include <mutex>

#include "runtime/base/check.hpp"

namespace hilo {

condition_variable::~condition_variable() {
  const std::scoped_lock guard(queue_lock_);
  HILO_CHECK(waiters_.empty(), "a condition_variable is destroyed while somebody waits on it");
}

void condition_variable::notify_one() noexcept {
  queue_lock_.lock();
  detail::waiter* const one = waiters_.pop();
  queue_lock_.unlock();
  if (one != nullptr) detail::wake(*one, status::ok);
}

void condition_variable::notify_all() noexcept {
  queue_lock_.lock();
  detail::waiter* const all = waiters_.take_all();
  queue_lock_.unlock();
  detail::wake_all(all, status::ok);
}

detail::waiter& condition_variable::enqueue() noexcept {
  detail::waiter& self = detail::current_waiter();
  const std::scoped_lock guard(queue_lock_);
  waiters_.push(self);
  return self;
}

status condition_variable::finish(detail::waiter& self, std::int64_t deadline) noexcept {
  return detail::park_until(self, queue_lock_, deadline, "condition_variable");
}

}  // namespace hilo
