#include "hilo/semaphore.hpp"

#include <mutex>

#include "runtime/base/check.hpp"

namespace hilo {

semaphore::semaphore(std::ptrdiff_t count) : count_(count) {
  HILO_CHECK(count >= 0, "a semaphore is made with a count of %td; it cannot be negative", count);
}

semaphore::~semaphore() {
  detail::retire(waiters_, lock_, "a semaphore is destroyed while somebody waits on it");
}

bool semaphore::try_acquire() noexcept {
  const std::scoped_lock guard(lock_);
  if (count_ == 0) return false;
  --count_;
  return true;
}

status semaphore::acquire_until(std::int64_t deadline) noexcept {
  lock_.lock();
  if (count_ != 0) {
    --count_;
    lock_.unlock();
    return status::ok;
  }
  return detail::wait_in_until(waiters_, lock_, nullptr, deadline, "semaphore");
}

void semaphore::release(std::ptrdiff_t count) noexcept {
  HILO_CHECK(count >= 0, "a semaphore is released %td times; it cannot be negative", count);
  // What is released goes to who waits, one each; only what nobody waits for is counted.
  detail::wait_node* served = nullptr;
  detail::wait_node** end = &served;
  lock_.lock();
  for (; count != 0; --count) {
    detail::wait_node* const one = waiters_.pop();
    if (one == nullptr) break;
    *end = one;
    end = &one->next;
  }
  *end = nullptr;
  HILO_CHECK(count <= max() - count_, "a semaphore is released beyond its maximum");
  count_ += count;
  lock_.unlock();
  detail::wake_all(served, status::ok);
}

}  // namespace hilo
