#include "hilo/watch.hpp"

#include <mutex>

namespace hilo::detail {

watch_core::~watch_core() {
  retire(waiters, lock, "the last end of a watch goes while somebody waits on it");
}

void watch_core::add_sender() noexcept {
  const std::scoped_lock guard(lock);
  ++senders;
}

void watch_core::drop_sender() noexcept {
  lock.lock();
  wait_node* const all = --senders == 0 ? waiters.take_all() : nullptr;
  lock.unlock();
  wake_all(all, status::closed);
}

void watch_core::add_receiver() noexcept {
  const std::scoped_lock guard(lock);
  ++receivers;
}

void watch_core::drop_receiver() noexcept {
  const std::scoped_lock guard(lock);
  --receivers;
}

std::size_t watch_core::count_receivers() const noexcept {
  count_eager();
  const std::scoped_lock guard(lock);
  return receivers;
}

bool watch_core::closed() const noexcept {
  count_eager();
  const std::scoped_lock guard(lock);
  return senders == 0;
}

std::shared_ptr<const void> watch_core::replace(std::shared_ptr<const void> next) noexcept {
  lock.lock();
  value.swap(next);
  const std::uint64_t now = ++version;
  wait_node* const all = waiters.take_all();
  lock.unlock();
  for (wait_node* one = all; one != nullptr; one = one->next) {
    *static_cast<std::uint64_t*>(one->slot) = now;
  }
  wake_all(all, status::ok);
  count_eager();
  return next;
}

std::shared_ptr<const void> watch_core::newest(std::uint64_t& its) const noexcept {
  count_eager();
  const std::scoped_lock guard(lock);
  its = version;
  return value;
}

std::uint64_t watch_core::newest_version() const noexcept {
  count_eager();
  const std::scoped_lock guard(lock);
  return version;
}

status watch_core::wait(std::uint64_t& seen, std::int64_t deadline) noexcept {
  lock.lock();
  const status now = look(seen);
  if (now == status::would_block) return wait_in_until(waiters, lock, &seen, deadline, "watch");
  lock.unlock();
  count_eager();
  return now;
}

}  // namespace hilo::detail
