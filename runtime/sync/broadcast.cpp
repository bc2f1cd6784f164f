#include "hilo/broadcast.hpp"

#include <algorithm>
#include <cerrno>
#include <limits>
#include <mutex>
#include <new>
#include <string>

#include "runtime/base/error.hpp"

namespace hilo::detail {
namespace {

broadcast_core::slot* make_slots(std::size_t count) {
  const auto fail = [count](int error, const char* why) {
    base::fail(error, "make a broadcast channel of capacity " + std::to_string(count), why);
  };
  using slot = broadcast_core::slot;
  if (count == 0) fail(EINVAL, "it could keep no message for a receiver; give at least 1");
  if (count > std::numeric_limits<std::ptrdiff_t>::max() / sizeof(slot)) {
    fail(EOVERFLOW, "it would need more than the address space; give a smaller capacity");
  }
  auto* const made = new (std::nothrow) slot[count];
  if (made == nullptr) fail(ENOMEM, "give a smaller capacity or free memory");
  return made;
}

}  // namespace

broadcast_core::broadcast_core(std::size_t wanted) : capacity(wanted), slots(make_slots(wanted)) {}

broadcast_core::~broadcast_core() {
  retire(waiters, lock, "the last end of a broadcast channel goes while somebody waits on it");
}

void broadcast_core::add_sender() noexcept {
  const std::scoped_lock guard(lock);
  ++senders;
}

void broadcast_core::drop_sender() noexcept {
  lock.lock();
  wait_node* const all = --senders == 0 ? waiters.take_all() : nullptr;
  lock.unlock();
  wake_all(all, status::closed);
}

broadcast_place broadcast_core::add_receiver() noexcept {
  const std::scoped_lock guard(lock);
  ++receivers;
  return {.next = sent};
}

// Messages sent until now have counted this receiver. So they are taken here: the last receiver to
// take a message frees it.
void broadcast_core::drop_receiver(broadcast_place& place) noexcept {
  lock.lock();
  --receivers;
  const std::uint64_t until = sent;
  lock.unlock();
  std::shared_ptr<const void> message;
  do {
    message.reset();
    const std::scoped_lock guard(lock);
    place.next = std::max(place.next, oldest());
    while (place.next < until && message == nullptr) take_next(place, message);
  } while (message != nullptr);
}

std::size_t broadcast_core::count_receivers() const noexcept {
  count_eager();
  const std::scoped_lock guard(lock);
  return receivers;
}

bool broadcast_core::closed() const noexcept {
  count_eager();
  const std::scoped_lock guard(lock);
  return senders == 0;
}

std::size_t broadcast_core::count_waiting(const broadcast_place& place) const noexcept {
  count_eager();
  const std::scoped_lock guard(lock);
  return static_cast<std::size_t>(sent - std::max(place.next, oldest()));
}

void broadcast_core::send(std::shared_ptr<const void> message) noexcept {
  lock.lock();
  slot& its = slots[sent++ % capacity];
  wait_node* const all = waiters.take_all();
  its.missing = receivers;
  for (const wait_node* one = all; one != nullptr; one = one->next) --its.missing;
  std::shared_ptr<const void> lost = std::move(its.message);  // freed after unlock
  if (its.missing != 0) its.message = message;
  lock.unlock();
  for (wait_node* one = all; one != nullptr; one = one->next) {
    *static_cast<std::shared_ptr<const void>*>(one->slot) = message;
  }
  wake_all(all, status::ok);
  count_eager();
}

void broadcast_core::take_next(broadcast_place& place,
                               std::shared_ptr<const void>& message) noexcept {
  slot& its = slots[place.next++ % capacity];
  if (--its.missing == 0) {
    message = std::move(its.message);
  } else {
    message = its.message;
  }
}

status broadcast_core::take(broadcast_place& place, std::shared_ptr<const void>& message) noexcept {
  if (place.next < oldest()) {
    place.lost += oldest() - place.next;
    place.next = oldest();
    return status::lagged;
  }
  if (place.next == sent) return senders == 0 ? status::closed : status::would_block;
  take_next(place, message);
  return status::ok;
}

status broadcast_core::receive(broadcast_place& place, std::shared_ptr<const void>& message,
                               std::int64_t deadline) noexcept {
  lock.lock();
  const status now = take(place, message);
  if (now == status::would_block && deadline != no_wait) {
    const status end = wait_in_until(waiters, lock, &message, deadline, "broadcast receive");
    if (end == status::ok) ++place.next;
    return end;
  }
  lock.unlock();
  count_eager();
  return now;
}

}  // namespace hilo::detail
