#include <cerrno>
#include <limits>
#include <mutex>
#include <new>
#include <string>
#include <utility>

#include "hilo/detail/channel_core.hpp"

#include "runtime/base/check.hpp"
#include "runtime/base/error.hpp"

namespace hilo::detail {

channel_core::channel_core(std::size_t wanted, std::size_t size, std::size_t alignment)
    : capacity(wanted), element_size(size), element_alignment(alignment) {
  if (capacity == 0) return;
  ring = allocate(capacity);
  room = capacity;
}

std::byte* channel_core::allocate(std::size_t elements) const {
  const auto fail = [&](int error, const std::string& why) {
    base::fail(error,
               capacity == no_bound && elements != no_bound
                   ? "let a channel grow to " + std::to_string(elements) + " elements"
                   : "make a channel of capacity " + std::to_string(elements),
               why);
  };
  if (elements > std::numeric_limits<std::ptrdiff_t>::max() / element_size) {
    fail(EOVERFLOW, "elements of " + base::format_bytes(element_size) +
                        " would need more than the address space; give a smaller capacity");
  }
  auto* const memory = static_cast<std::byte*>(
      ::operator new(elements* element_size, std::align_val_t(element_alignment), std::nothrow));
  if (memory == nullptr) {
    fail(ENOMEM, base::format_bytes(elements * element_size) +
                     " cannot be allocated; give a smaller capacity or free memory");
  }
  return memory;
}

void channel_core::release(std::byte* memory) const noexcept {
  ::operator delete(memory, std::align_val_t(element_alignment));
}

channel_core::~channel_core() {
  release(ring);
}

status channel_core::refuse() noexcept {
  lock.unlock();
  count_eager();
  return status::closed;
}

void channel_core::fail(const partner& other) noexcept {
  lock.unlock();
  if (other.who != nullptr) wake(*other.who->owner, try_again);
}

status channel_core::wait_to_send(void* value, std::int64_t deadline) noexcept {
  return wait_in_until(senders, lock, value, deadline, "channel send");
}

status channel_core::wait_to_receive(void* result, std::int64_t deadline) noexcept {
  return wait_in_until(receivers, lock, result, deadline, "channel receive");
}

void channel_core::close() noexcept {
  lock.lock();
  close_locked();
}

void channel_core::close_into(channel_core& rest) noexcept {
  lock.lock();
  std::swap(ring, rest.ring);
  std::swap(room, rest.room);
  std::swap(first, rest.first);
  std::swap(count, rest.count);
  close_locked();
}

void channel_core::close_locked() noexcept {
  closed = true;
  wait_node* const waiting_senders = senders.take_all();
  wait_node* const waiting_receivers = receivers.take_all();
  lock.unlock();
  wake_all(waiting_receivers, status::closed);
  wake_all(waiting_senders, status::closed);
}

void channel_core::check_unused() noexcept {
  constexpr const char* message =
      "a channel is destroyed while somebody waits on it; close() it and let them go first";
  retire(senders, lock, message);
  retire(receivers, lock, message);
}

std::size_t channel_core::size() const noexcept {
  const std::scoped_lock guard(lock);
  return count;
}

bool channel_core::is_closed() const noexcept {
  const std::scoped_lock guard(lock);
  return closed;
}

}  // namespace hilo::detail
