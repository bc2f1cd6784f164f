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

}  // namespace hilo
