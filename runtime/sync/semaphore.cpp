// Waiters are served in the order of arrival. While a thread or fiber waits, no caller takes
// anything ahead of the first waiter in the list. So `count_` is then less than the first waiter
// wants. Code that changes `count_` or the list calls grant().
#include "hilo/semaphore.hpp"

#include <mutex>

#include "runtime/base/check.hpp"

namespace hilo {
namespace {

// The slot of a waiter holds the count that the waiter wants.
void* slot_of(std::ptrdiff_t count) noexcept {
  return reinterpret_cast<void*>(count);
}

std::ptrdiff_t wanted_by(const detail::wait_node& one) noexcept {
  return reinterpret_cast<std::ptrdiff_t>(one.slot);
}

void check_wanted(std::ptrdiff_t count) noexcept {
  HILO_CHECK(count >= 0, "%td of a semaphore are acquired; it cannot be negative", count);
}

}  // namespace

std::ptrdiff_t semaphore::refuse_count(std::ptrdiff_t count) noexcept {
  base::die("a semaphore is made with a count of %td; it cannot be negative", count);
}

void semaphore::refuse_closed() noexcept {
  base::die(
      "acquire of a closed semaphore: use acquire(hilo::interruptible), which returns closed");
}

semaphore::~semaphore() {
  detail::retire(waiters_, lock_, "a semaphore is destroyed while somebody waits on it");
}

bool semaphore::try_acquire(std::ptrdiff_t count) noexcept {
  check_wanted(count);
  lock_.lock();
  const bool taken = !closed_ && waiters_.empty() && count_ >= count;
  if (taken) count_ -= count;
  lock_.unlock();
  if (!taken) detail::count_eager();
  return taken;
}

status semaphore::acquire_until(std::ptrdiff_t count, std::int64_t deadline) noexcept {
  check_wanted(count);
  lock_.lock();
  if (closed_) {
    lock_.unlock();
    detail::count_eager();
    return status::closed;
  }
  if (waiters_.empty() && count_ >= count) {
    count_ -= count;
    lock_.unlock();
    return status::ok;
  }
  const status end = detail::wait_in_until(waiters_, lock_, slot_of(count), deadline, "semaphore");
  if (end == status::ok || end == status::closed) return end;
  // A waiter that gave up may have blocked the waiters behind it.
  lock_.lock();
  detail::wait_node* const served = grant();
  lock_.unlock();
  detail::wake_all(served, status::ok);
  return end;
}

// Under lock_: serves the waiters at the front of the list as far as `count_` allows. Returns them,
// unlinked and linked to each other by next, for the caller to wake.
detail::wait_node* semaphore::grant() noexcept {
  detail::wait_node* served = nullptr;
  detail::wait_node** end = &served;
  while (detail::wait_node* const first = waiters_.first()) {
    if (count_ < wanted_by(*first)) break;
    if (!waiters_.take(*first)) continue;  // this waiter is giving up
    count_ -= wanted_by(*first);
    first->next = nullptr;
    *end = first;
    end = &first->next;
  }
  return served;
}

void semaphore::release(std::ptrdiff_t count) noexcept {
  HILO_CHECK(count >= 0, "a semaphore is released %td times; it cannot be negative", count);
  lock_.lock();
  HILO_CHECK(count <= max() - count_, "a semaphore is released beyond its maximum");
  count_ += count;
  detail::wait_node* const served = grant();
  lock_.unlock();
  detail::wake_all(served, status::ok);
}

void semaphore::close() noexcept {
  lock_.lock();
  closed_ = true;
  detail::wait_node* const all = waiters_.take_all();
  lock_.unlock();
  detail::wake_all(all, status::closed);
}

}  // namespace hilo
