// Channels: typed queues between fibers, kernel threads, or both; many senders, many receivers,
// first in, first out. Capacity 0 is a rendezvous: send waits for its receiver.
//
//   hilo::channel<int> numbers(16);
//   auto producer = hilo::spawn([&] {
//     for (int i = 0; i < 100; ++i) if (numbers.send(i) != hilo::status::ok) break;
//     numbers.close();
//   });
//   for (int n : numbers) use(n);
//
// close() ends it: values that were sent are still received; then range-for ends and receive() is
// empty. Destroying a channel on which a fiber or thread waits aborts. The channel moves its
// elements, and destroys moved-from elements, under its lock: that move and that destructor may not
// park and may not use the channel. All other destructors may.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <mutex>
#include <new>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "hilo/detail/channel_core.hpp"
#include "hilo/detail/deadline.hpp"
#include "hilo/status.hpp"

namespace hilo {

namespace detail {
template <class T>
class send_case;
template <class T>
class offer;  // hilo/select.hpp
template <class T>
class receive_case;
template <class T>
struct shared_channel;  // hilo/ends.hpp
}  // namespace detail

// Instead of a capacity: senders never wait, and the channel grows while its receivers are slower.
// Nothing but the senders bounds its memory; prefer a capacity. The moves of its elements must not
// throw: if a move throws while the channel grows, the program ends.
struct unbounded_t {};
inline constexpr unbounded_t unbounded{};

template <class T>
class channel {
  static_assert(std::is_object_v<T> && std::is_move_constructible_v<T>,
                "a channel's elements are objects that can be moved");

 public:
  using value_type = T;

  // Makes an unbuffered channel.
  channel() : channel(0) {}
  // Makes a channel that holds up to `capacity` elements that were not received yet.
  // Errors: std::system_error if memory for them cannot be had or its size overflows.
  explicit channel(std::size_t capacity) : core_(capacity, sizeof(T), alignof(T)) {}
  explicit channel(unbounded_t) noexcept : core_(sizeof(T), alignof(T)) {}
  ~channel() {
    core_.check_unused();
    for (; core_.count != 0; core_.drop_oldest()) element(core_.oldest())->~T();
  }
  channel(const channel&) = delete;
  channel& operator=(const channel&) = delete;

  // Sends a value. An rvalue is moved, and an lvalue is copied. Returns ok; closed; or cancelled or
  // timed_out if a stop request or a limit came first (hilo/limit.hpp). Unless ok, the value was
  // not moved from. Parks: while the channel is full; unbuffered, until a receiver took the value.
  // Callable from: any fiber or thread. Ordering: everything before send happens before the
  // receive that gets the value. Waiting senders are served first in, first out.
  // Exceptions: those of T's constructors; the value is then not sent.
  [[nodiscard]] status send(T&& value) { return send_from(value, detail::no_deadline); }
  [[nodiscard]] status send(const T& value) requires std::is_copy_constructible_v<T> {
    T copy(value);
    return send_from(copy, detail::no_deadline);
  }

  // Sends without waiting. Returns would_block if it would have to wait. Otherwise as send.
  [[nodiscard]] status try_send(T&& value) { return send_from(value, detail::no_wait); }
  [[nodiscard]] status try_send(const T& value) requires std::is_copy_constructible_v<T> {
    T copy(value);
    return send_from(copy, detail::no_wait);
  }

  // Sends, and waits no longer than the given time: then timed_out. Otherwise as send.
  template <class R, class P>
  [[nodiscard]] status send_for(T&& value, std::chrono::duration<R, P> patience) {
    return send_from(value, detail::deadline_after(patience));
  }
  template <class R, class P>
  [[nodiscard]] status send_for(const T& value, std::chrono::duration<R, P> patience) requires
      std::is_copy_constructible_v<T> {
    T copy(value);
    return send_from(copy, detail::deadline_after(patience));
  }
  template <class C, class D>
  [[nodiscard]] status send_until(T&& value, std::chrono::time_point<C, D> when) {
    return detail::wait_until_time(
        when, [&](std::int64_t deadline) { return send_from(value, deadline); });
  }
  template <class C, class D>
  [[nodiscard]] status send_until(
      const T& value, std::chrono::time_point<C, D> when) requires std::is_copy_constructible_v<T> {
    T copy(value);
    return detail::wait_until_time(
        when, [&](std::int64_t deadline) { return send_from(copy, deadline); });
  }

  // Sends the values in order, as many as possible under one lock. `sent` tells how many were moved
  // from, also if it does not return ok, and if it throws. Otherwise as send.
  [[nodiscard]] status send_all(std::span<T> values, std::size_t& sent) {
    for (sent = 0; sent < values.size();) {
      send_more(values, sent);
      if (sent == values.size()) break;
      const status end = send_from(values[sent], detail::no_deadline);
      if (end != status::ok) return end;
      ++sent;
    }
    return status::ok;
  }

  // Receives the oldest value; empty once the channel is closed and drained, and if a stop request
  // or a limit came first (hilo/limit.hpp). Parks: until there is a value. Callable from: any fiber
  // or thread. Ordering: as send. Waiting receivers are served first in, first out.
  // Exceptions: those of T's move constructor; the value is then not received.
  [[nodiscard]] std::optional<T> receive() {
    std::optional<T> result;
    (void)receive_into(result, detail::no_deadline);
    return result;
  }

  // Receives the oldest value into `result`. Returns ok; closed, if the channel is closed and
  // drained; cancelled or timed_out if a stop request or a limit came first. Unless ok, `result` is
  // empty, also if a move throws. The former value of `result` is destroyed first.
  [[nodiscard]] status receive(std::optional<T>& result) {
    empty(result);
    return receive_into(result, detail::no_deadline);
  }

  // Receives without waiting. Returns would_block if there is no value yet. Otherwise as receive.
  [[nodiscard]] status try_receive(std::optional<T>& result) {
    empty(result);
    return receive_into(result, detail::no_wait);
  }

  // Receives, and waits no longer than the given time: then timed_out. Otherwise as receive.
  template <class R, class P>
  [[nodiscard]] status receive_for(std::optional<T>& result, std::chrono::duration<R, P> patience) {
    empty(result);
    return receive_into(result, detail::deadline_after(patience));
  }
  template <class C, class D>
  [[nodiscard]] status receive_until(std::optional<T>& result, std::chrono::time_point<C, D> when) {
    empty(result);
    return detail::wait_until_time(
        when, [&](std::int64_t deadline) { return receive_into(result, deadline); });
  }

  // Receives at least one value and at most `most`, as many as there are, under one lock, and
  // appends them to `results`. Returns as receive(result); ok at once if `most` is 0. Parks: until
  // there is a value. Exceptions: std::bad_alloc, and those of T's move constructor. Values that
  // were received before are in `results`, except a value whose second move, into `results`, threw.
  [[nodiscard]] status receive_some(std::vector<T>& results, std::size_t most) {
    if (most == 0) return status::ok;
    make_room(results, 1);
    std::optional<T> one;
    const status end = receive_into(one, detail::no_deadline);
    if (end != status::ok) return end;
    results.push_back(std::move(*one));
    make_room(results, std::min(most - 1, core_.size()));
    receive_more(results, most - 1);
    return status::ok;
  }

  // Refuses further sends; receivers drain the buffer. All waiting callers wake, and get closed;
  // senders keep their values. Closing twice is not an error. Never parks. Callable from: anywhere
  // except a signal handler.
  void close() noexcept { core_.close(); }

  // How many values are buffered, and whether close() was called, at some moment during the call.
  // Never parks; a fiber that calls them in a loop lets others run now and then (docs/fibers.md).
  std::size_t size() const noexcept {
    detail::count_eager();
    return core_.size();
  }
  bool closed() const noexcept {
    detail::count_eager();
    return core_.is_closed();
  }

  // How many values fit: 0 for an unbuffered channel, the greatest std::size_t for an unbounded
  // one.
  std::size_t capacity() const noexcept { return core_.capacity; }

  // An input iterator that receives; equal to end() once receive() returns nothing. Several fibers
  // may iterate at once; each of them gets some of the values.
  class iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = T;
    using difference_type = std::ptrdiff_t;
    using reference = T&;
    using pointer = T*;

    explicit iterator(channel& from) : from_(&from), value_(from.receive()) {}
    T& operator*() const noexcept { return *value_; }
    T* operator->() const noexcept { return &*value_; }
    iterator& operator++() {
      value_.reset();
      (void)from_->receive_into(value_, detail::no_deadline);
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const iterator& self, std::default_sentinel_t) noexcept {
      return !self.value_.has_value();
    }

   private:
    channel* from_;
    mutable std::optional<T> value_;  // mutable as the target of a pointer is
  };
  iterator begin() { return iterator(*this); }
  std::default_sentinel_t end() const noexcept { return {}; }

 private:
  friend class detail::send_case<T>;
  friend class detail::receive_case<T>;
  friend struct detail::shared_channel<T>;

  // Destroys the former value of a destination. The work is out of line, because g++ mistakes an
  // inlined destructor for the use of a value that was never made, and warns.
  static void empty(std::optional<T>& result) noexcept {
    if constexpr (std::is_trivially_destructible_v<T>) {
      result.reset();
    } else if (result.has_value()) {
      end_former(result);
    }
  }
  [[gnu::noinline]] static void end_former(std::optional<T>& result) noexcept { result.reset(); }

  static T* element(void* at) noexcept { return std::launder(static_cast<T*>(at)); }

  status send_from(T& value, std::int64_t deadline) {
    return core_.run(
        deadline, [&](detail::partner& other) { return send_locked(value, other); },
        [&] { return core_.wait_to_send(&value, deadline); });
  }
  // `result` is empty, so no destructor of T, which may do anything, runs under the lock.
  status receive_into(std::optional<T>& result, std::int64_t deadline) {
    return core_.run(
        deadline, [&](detail::partner& other) { return receive_locked(result, other); },
        [&] { return core_.wait_to_receive(&result, deadline); });
  }

  // Closes the channel when its last receiver goes, and destroys the buffered values, oldest first,
  // without the lock, because a destructor of T may use this channel, or park.
  void abandon() noexcept {
    channel rest;
    core_.close_into(rest.core_);
  }

  // Sends the values that need no wait, under one lock.
  void send_more(std::span<T> values, std::size_t& sent) {
    detail::served_partners served;
    const std::scoped_lock guard(core_.lock);
    while (sent < values.size() && serve(served, [&](detail::partner& other) {
             return send_locked(values[sent], other);
           })) {
      ++sent;
    }
  }
  void receive_more(std::vector<T>& results, std::size_t most) {
    detail::served_partners served;
    const std::scoped_lock guard(core_.lock);
    std::optional<T> one;
    for (; most > 0 && results.size() < results.capacity(); --most) {
      if (!serve(served, [&](detail::partner& other) { return receive_locked(one, other); })) break;
      results.push_back(std::move(*one));
    }
  }
  // Grows by the factor of push_back, so that the total cost of many small batches is not
  // quadratic.
  static void make_room(std::vector<T>& results, std::size_t more) {
    if (results.capacity() - results.size() >= more) return;
    results.reserve(std::max(results.size() + more, 2 * results.capacity()));
  }
  template <class F>
  static bool serve(detail::served_partners& served, F attempt) {
    detail::partner other;
    try {
      if (attempt(other) != status::ok) return false;
    } catch (...) {
      other.end = detail::try_again;
      served.add(other);
      throw;
    }
    served.add(other);
    return true;
  }

  // If a receiver waits, the value goes straight to it; else if the ring has room, into the ring.
  // Otherwise the caller waits with the address of the value in its waiter, and the receiver moves
  // the value from there.
  status send_locked(T& value, detail::partner& other) {
    if (core_.closed) [[unlikely]]
      return status::closed;
    if (detail::wait_node* const receiver = core_.receivers.pop()) {
      other.who = receiver;
      static_cast<std::optional<T>*>(receiver->slot)->emplace(std::move(value));
      return status::ok;
    }
    if (core_.count == core_.room) {
      if (core_.capacity != detail::no_bound) [[likely]]
        return status::would_block;
      core_.grow([](void* from, void* to) noexcept {
        T* const old = element(from);
        ::new (to) T(std::move(*old));
        old->~T();
      });
    }
    ::new (core_.free_place()) T(std::move(value));
    core_.add_newest();
    return status::ok;
  }

  // The oldest value is in the ring or, if the ring is empty, with the first waiting sender. Taking
  // from the ring makes room, and the value of the first waiting sender fills it at once: first in,
  // first out.
  status receive_locked(std::optional<T>& result, detail::partner& other) {
    if (core_.count != 0) {
      T* const oldest = element(core_.oldest());
      result.emplace(std::move(*oldest));
      oldest->~T();
      core_.drop_oldest();
      other.who = core_.senders.pop();
      if (other.who != nullptr) refill(other);
      return status::ok;
    }
    other.who = core_.senders.pop();
    if (other.who != nullptr) {
      result.emplace(std::move(value_of(*other.who)));
      return status::ok;
    }
    return core_.closed ? status::closed : status::would_block;
  }

  // Moves the value of a sender that waited for room to the end of the ring. If that move throws,
  // the receiver does not get the exception, because the value is the sender's: the sender tries
  // again and gets it.
  void refill(detail::partner& sender) {
    if constexpr (throwing_move) {
      try {
        ::new (core_.free_place()) T(std::move(value_of(*sender.who)));
      } catch (...) {
        sender.end = detail::try_again;
        return;
      }
    } else {
      ::new (core_.free_place()) T(std::move(value_of(*sender.who)));
    }
    core_.add_newest();
  }

  static T& value_of(detail::wait_node& sender) noexcept { return *static_cast<T*>(sender.slot); }

  static constexpr bool throwing_move = !std::is_nothrow_move_constructible_v<T>;

  detail::channel_core core_;
};

}  // namespace hilo
