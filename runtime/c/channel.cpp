// The functions of hilo/c/channel.h.
#include "runtime/c/channel.hpp"

#include <cerrno>

#include "runtime/c/result.hpp"

namespace {

using hilo::status;
using hilo::detail::partner;
using hilo::detail::wait_node;

bool wrong(const hilo_channel* channel, const void* element, size_t size) noexcept {
  return channel == nullptr || element == nullptr || size != channel->core.element_size;
}

}  // namespace

status hilo_channel::send_locked(const void* element, partner& other) {
  if (core.closed) return status::closed;
  const std::size_t size = core.element_size;
  if (wait_node* const receiver = core.receivers.pop()) {
    other.who = receiver;
    std::memcpy(receiver->slot, element, size);
    return status::ok;
  }
  if (core.count == core.room) {
    if (core.capacity != hilo::detail::no_bound) return status::would_block;
    core.grow([size](const void* from, void* to) noexcept { std::memcpy(to, from, size); });
  }
  std::memcpy(core.free_place(), element, size);
  core.add_newest();
  return status::ok;
}

status hilo_channel::receive_locked(void* element, partner& other) noexcept {
  const std::size_t size = core.element_size;
  if (core.count != 0) {
    std::memcpy(element, core.oldest(), size);
    core.drop_oldest();
    other.who = core.senders.pop();
    if (other.who != nullptr) {  // its element fills the place: first in, first out
      std::memcpy(core.free_place(), other.who->slot, size);
      core.add_newest();
    }
    return status::ok;
  }
  other.who = core.senders.pop();
  if (other.who != nullptr) {
    std::memcpy(element, other.who->slot, size);
    return status::ok;
  }
  return core.closed ? status::closed : status::would_block;
}

using namespace hilo::c;

int hilo_channel_create(hilo_channel** made, size_t element_size, size_t capacity) noexcept {
  if (made == nullptr || element_size == 0) return -EINVAL;
  return create(made, element_size, capacity);
}

int hilo_channel_destroy(hilo_channel* channel) noexcept {
  return destroy(channel);
}

int hilo_channel_send(hilo_channel* channel, const void* element, size_t size,
                      int64_t deadline) noexcept {
  if (wrong(channel, element, size)) return -EINVAL;
  return guarded([&] {
    const std::int64_t until = inner_deadline(deadline);
    return number_of(channel->core.run(
        until, [&](partner& other) { return channel->send_locked(element, other); },
        [&] { return channel->core.wait_to_send(const_cast<void*>(element), until); }));
  });
}

int hilo_channel_receive(hilo_channel* channel, void* element, size_t size,
                         int64_t deadline) noexcept {
  if (wrong(channel, element, size)) return -EINVAL;
  const std::int64_t until = inner_deadline(deadline);
  return number_of(channel->core.run(
      until, [&](partner& other) noexcept { return channel->receive_locked(element, other); },
      [&] { return channel->core.wait_to_receive(element, until); }));
}

int hilo_channel_close(hilo_channel* channel) noexcept {
  if (channel == nullptr) return -EINVAL;
  channel->core.close();
  return 0;
}

size_t hilo_channel_count(const hilo_channel* channel) noexcept {
  if (channel == nullptr) return 0;
  hilo::detail::count_eager();
  return channel->core.size();
}
