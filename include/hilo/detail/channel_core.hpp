// A channel without its element type: the ring's indices and the wait lists. channel<T> moves the
// elements.
//
// Invariants, under the lock:
//   receivers wait only while the ring is empty and no sender waits
//   senders wait only while the ring is full (always, when the capacity is 0)
//   an unbounded channel's ring grows when it is full
//   nobody waits once it is closed; then count only falls
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

#include "hilo/detail/api.hpp"
#include "hilo/detail/decision.hpp"
#include "hilo/detail/waiter.hpp"
#include "hilo/status.hpp"

namespace hilo::detail {

// The capacity of a channel whose senders never wait.
inline constexpr std::size_t no_bound = std::numeric_limits<std::size_t>::max();

// A wait in a channel ends with this status only if the move of the other side threw.
inline constexpr status try_again = status::would_block;

// The waiter that an operation served; the caller of the operation wakes it after the lock is
// released.
struct partner {
  wait_node* who = nullptr;
  status end = status::ok;
};

// The waiters that several operations under one lock served. The destructor wakes them; it must run
// after the lock is released.
class served_partners {
 public:
  served_partners() = default;
  ~served_partners() {
    *end_ = nullptr;
    wake_all(first_, status::ok);
  }
  served_partners(const served_partners&) = delete;
  served_partners& operator=(const served_partners&) = delete;

  void add(const partner& one) noexcept {
    if (one.who == nullptr) return;
    if (one.end != status::ok) {
      const undecided section;  // under the lock
      return wake(*one.who->owner, one.end);
    }
    *end_ = one.who;
    end_ = &one.who->next;
  }

 private:
  wait_node* first_ = nullptr;
  wait_node** end_ = &first_;
};

struct channel_core {
  HILO_API channel_core(std::size_t capacity, std::size_t element_size,
                        std::size_t element_alignment);
  // Makes an unbounded channel.
  channel_core(std::size_t size, std::size_t alignment) noexcept
      : capacity(no_bound), element_size(size), element_alignment(alignment) {}
  HILO_API ~channel_core();
  channel_core(const channel_core&) = delete;
  channel_core& operator=(const channel_core&) = delete;

  // Gives a full unbounded channel a ring of twice the size. move(from, to) moves an element, and
  // destroys the old one only if the move does not throw.
  template <class F>
  void grow(F move) {
    const std::size_t more = room == 0 ? 16 : room * 2;
    std::byte* const larger = allocate(more);
    for (std::size_t moved = 0; moved < count; ++moved) {
      const std::size_t at = first + moved;
      move(ring + (at < room ? at : at - room) * element_size, larger + moved * element_size);
    }
    release(ring);
    ring = larger;
    room = more;
    first = 0;
  }

  void* oldest() const noexcept { return ring + first * element_size; }
  void* free_place() const noexcept {
    const std::size_t at = first + count;
    return ring + (at < room ? at : at - room) * element_size;
  }
  void add_newest() noexcept { ++count; }
  void drop_oldest() noexcept {
    --count;
    if (++first == room) first = 0;
  }

  // An operation: attempt(other) tries it under the lock; wait() releases the lock and waits, if
  // the operation cannot be done yet. A move that throws ends the call; the waiter that the move
  // would have served tries again.
  template <class F, class G>
  status run(std::int64_t deadline, F attempt, G wait) {
    while (true) {
      partner other;
      const carrier* const here = lock.lock_here();
      status now;
      try {
        now = attempt(other);
      } catch (...) {
        fail(other);
        throw;
      }
      if (now == status::ok) return finish(here, other);
      if (now == status::closed) [[unlikely]]
        return refuse();
      if (deadline == no_wait) return finish(here, other, status::would_block);
      const status end = wait();
      if (end != try_again) return end;
    }
  }

  // Queues the caller, releases the lock and parks, until `deadline` at most.
  HILO_API status wait_to_send(void* value, std::int64_t deadline) noexcept;
  HILO_API status wait_to_receive(void* result, std::int64_t deadline) noexcept;

  // Memory for some elements; throws std::system_error.
  HILO_API std::byte* allocate(std::size_t elements) const;
  HILO_API void release(std::byte* memory) const noexcept;

  HILO_API void close() noexcept;
  // The same, and gives the buffered values to `rest`, a new core of the same element type.
  HILO_API void close_into(channel_core& rest) noexcept;
  HILO_API void check_unused() noexcept;
  HILO_API std::size_t size() const noexcept;
  HILO_API bool is_closed() const noexcept;

  mutable sync_lock lock;
  // All fields below are guarded by lock; capacity and sizes never change.
  std::uint8_t streak = 0;
  bool closed = false;
  std::size_t first = 0;  // index of the oldest
  std::size_t count = 0;
  std::size_t room = 0;  // elements that fit into the ring
  std::size_t capacity;
  std::size_t element_size;
  std::size_t element_alignment;
  std::byte* ring = nullptr;
  wait_list senders;    // wait_node::slot: the value
  wait_list receivers;  // wait_node::slot: the std::optional to fill

 private:
  // Ends an operation that did not wait, releases the lock, which was taken on the carrier `here`,
  // and wakes the other side if it was served. After 256 operations on one channel without a wait
  // (the count then wraps) the caller yields. 256 is a guess: about 5 us of sends.
  status finish(const carrier* here, const partner& other, status end = status::ok) noexcept {
    const bool spent = ++streak == 0;
    lock.unlock(here);
    if (other.who != nullptr) wake(*other.who->owner, other.end);
    if (spent) [[unlikely]]
      spend_budget();
    return end;
  }

  // Ends an operation on a closed channel, and releases the lock.
  [[gnu::cold]] HILO_API status refuse() noexcept;
  // Ends an operation that threw: releases the lock, and lets the waiter that it was about to serve
  // try again.
  [[gnu::cold]] HILO_API void fail(const partner& other) noexcept;

  // Ends close() and releases the lock.
  void close_locked() noexcept;
};

}  // namespace hilo::detail
