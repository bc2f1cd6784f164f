// A channel whose elements are bytes: the typed operations of hilo::channel (hilo/channel.hpp) for
// elements that are copied by memcpy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "hilo/c/channel.h"
#include "hilo/detail/channel_core.hpp"
#include "hilo/status.hpp"

// Waiters' slots: of a sender, the address of its element; of a receiver, the place for it.
struct hilo_channel {
  // capacity: HILO_UNBOUNDED for none
  hilo_channel(std::size_t element_size, std::size_t capacity)
      : core(capacity == HILO_UNBOUNDED ? 0 : capacity, element_size, alignof(std::max_align_t)) {
    core.capacity = capacity;
  }
  ~hilo_channel() { core.check_unused(); }

  // Under the lock. closed, would_block, or ok; then `other` is the waiter that was served.
  hilo::status send_locked(const void* element, hilo::detail::partner& other);
  hilo::status receive_locked(void* element, hilo::detail::partner& other) noexcept;

  hilo::detail::channel_core core;
};
static_assert(HILO_UNBOUNDED == hilo::detail::no_bound);
