// broadcast: each message goes to every receiver, in order. Senders never wait. If a receiver falls
// behind by more than the capacity, it loses the oldest messages, and learns how many.
//
//   auto [out, in] = hilo::make_broadcast<tick>(64);
//   auto listener = hilo::spawn([in = out.subscribe()]() mutable {
//     for (const tick& one : in) use(one);  // until the last sender has gone
//     if (in.lost() != 0) complain(in.lost());
//   });
//   (void)out.send(tick{1});
//
// All receivers share one message, which is const and never copied. The channel drops a message
// when the last receiver has taken it, or when `capacity` newer messages have been sent; the
// message lives on while a receiver keeps its pointer. If no message may be lost, give each
// receiver a channel instead. If only the newest value counts, use watch.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <type_traits>
#include <utility>

#include "hilo/detail/api.hpp"
#include "hilo/detail/channel_core.hpp"
#include "hilo/detail/counted_end.hpp"
#include "hilo/detail/deadline.hpp"
#include "hilo/detail/decision.hpp"
#include "hilo/detail/select_core.hpp"
#include "hilo/detail/waiter.hpp"
#include "hilo/status.hpp"

namespace hilo {

namespace detail {

// The position of one receiver in the sequence of messages.
struct broadcast_place {
  std::uint64_t next = 0;  // number of the message that the receiver takes next
  std::uint64_t lost = 0;
};

// A broadcast channel without the type of its messages. Nothing of that type runs under the lock.
//
// Message n lies in slot n % capacity while `sent - capacity <= n < sent` and a receiver still has
// to take it. A receiver waits only when it has taken all messages. So the next message goes
// directly to all waiting receivers, and the slot counts the other receivers.
struct HILO_API broadcast_core {
  explicit broadcast_core(std::size_t capacity);
  ~broadcast_core();
  broadcast_core(const broadcast_core&) = delete;
  broadcast_core& operator=(const broadcast_core&) = delete;

  void add_sender() noexcept;
  void drop_sender() noexcept;
  broadcast_place add_receiver() noexcept;
  void drop_receiver(broadcast_place& place) noexcept;

  std::size_t count_receivers() const noexcept;
  bool closed() const noexcept;
  std::size_t count_waiting(const broadcast_place& place) const noexcept;

  void send(std::shared_ptr<const void> message) noexcept;
  // message: empty before; holds one after ok, and otherwise nothing.
  status receive(broadcast_place& place, std::shared_ptr<const void>& message,
                 std::int64_t deadline) noexcept;

  // The lock is held. lagged: the place was moved to the oldest message that is still there.
  status take(broadcast_place& place, std::shared_ptr<const void>& message) noexcept;
  void take_next(broadcast_place& place, std::shared_ptr<const void>& message) noexcept;
  // The first message that a receiver may still take.
  std::uint64_t oldest() const noexcept { return sent > capacity ? sent - capacity : 0; }

  struct slot {
    std::shared_ptr<const void> message;
    std::size_t missing = 0;  // receivers that still have to take it; 0: empty
  };

  mutable sync_lock lock;
  const std::size_t capacity;
  const std::unique_ptr<slot[]> slots;  // all below, and the slots, guarded by lock
  std::uint64_t sent = 0;               // messages, ever
  std::size_t senders = 0;
  std::size_t receivers = 0;
  wait_list waiters;  // wait_node::slot: the std::shared_ptr<const void> to fill
};

template <class T>
class broadcast_case;

}  // namespace detail

// Takes each message that is sent after the receiver was made, unless it falls behind. Used by one
// fiber or thread at a time, and moved but not copied. A receiver that was made by its default
// constructor or moved from is empty: a call on it aborts.
template <class T>
class broadcast_receiver {
 public:
  using value_type = T;

  broadcast_receiver() noexcept = default;
  explicit broadcast_receiver(std::shared_ptr<detail::broadcast_core> what) noexcept
      : what_(std::move(what)), place_(what_->add_receiver()) {}
  broadcast_receiver(broadcast_receiver&& other) noexcept = default;
  broadcast_receiver& operator=(broadcast_receiver other) noexcept {
    std::swap(what_, other.what_);
    std::swap(place_, other.place_);
    return *this;
  }
  ~broadcast_receiver() {
    if (what_ != nullptr) what_->drop_receiver(place_);
  }

  // Tells whether it has a channel: false if it is empty.
  explicit operator bool() const noexcept { return what_ != nullptr; }

  // Takes the oldest message that this receiver has not taken. Returns ok; lagged if messages were
  // lost since the last call: lost() has grown by their number, and the next call takes the oldest
  // message that is left; closed if the last sender has gone and all messages were taken; cancelled
  // or timed_out if a stop request or a limit came first (hilo/limit.hpp). Unless ok, `message` is
  // null.
  // Parks: until there is a message. Callable from: any fiber or thread. Ordering: everything
  // before send happens before the receive that gets the message.
  [[nodiscard]] status receive(std::shared_ptr<const T>& message) noexcept {
    return receive_into("receive", message, detail::no_deadline);
  }

  // The same without waiting. Returns would_block if it would have to wait.
  [[nodiscard]] status try_receive(std::shared_ptr<const T>& message) noexcept {
    return receive_into("try_receive", message, detail::no_wait);
  }

  // The same, and waits no longer than the given time: then timed_out.
  template <class R, class P>
  [[nodiscard]] status receive_for(std::shared_ptr<const T>& message,
                                   std::chrono::duration<R, P> patience) noexcept {
    return receive_into("receive_for", message, detail::deadline_after(patience));
  }
  template <class C, class D>
  [[nodiscard]] status receive_until(std::shared_ptr<const T>& message,
                                     std::chrono::time_point<C, D> when) noexcept {
    return detail::wait_until_time(when, [&](std::int64_t deadline) {
      return receive_into("receive_until", message, deadline);
    });
  }

  // The same without lagged: after lost messages it goes on with the oldest that is left, and only
  // lost() tells of them. Null at the end, and if a stop request or a limit came first.
  [[nodiscard]] std::shared_ptr<const T> receive() noexcept {
    std::shared_ptr<const T> message;
    while (receive(message) == status::lagged) {
    }
    return message;
  }

  // How many messages this receiver has lost so far. Never parks.
  [[nodiscard]] std::uint64_t lost() const noexcept { return place_.lost; }

  // How many messages can be taken without waiting. Never parks.
  [[nodiscard]] std::size_t size() const noexcept { return from("size").count_waiting(place_); }

  // Tells whether the last sender has gone; messages may be left. Never parks.
  [[nodiscard]] bool closed() const noexcept { return from("closed").closed(); }

  // Makes another receiver, of all messages from now on. Never parks.
  [[nodiscard]] broadcast_receiver resubscribe() const noexcept {
    (void)from("resubscribe");
    return broadcast_receiver(what_);
  }

  // An input iterator over the messages; equal to end() once receive() returns null.
  class iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = T;
    using difference_type = std::ptrdiff_t;
    using reference = const T&;
    using pointer = const T*;

    explicit iterator(broadcast_receiver& from) noexcept : from_(&from), now_(from.receive()) {}
    const T& operator*() const noexcept { return *now_; }
    const T* operator->() const noexcept { return now_.get(); }
    iterator& operator++() noexcept {
      now_.reset();
      now_ = from_->receive();
      return *this;
    }
    void operator++(int) noexcept { ++*this; }
    friend bool operator==(const iterator& self, std::default_sentinel_t) noexcept {
      return self.now_ == nullptr;
    }

   private:
    broadcast_receiver* from_;
    std::shared_ptr<const T> now_;
  };
  iterator begin() noexcept {
    (void)from("begin");
    return iterator(*this);
  }
  std::default_sentinel_t end() const noexcept { return {}; }

 private:
  friend class detail::broadcast_case<T>;

  // The channel, for `call`; aborts and names `call` if the receiver is empty.
  detail::broadcast_core& from(const char* call) const noexcept {
    if (what_ == nullptr) [[unlikely]]
      detail::refuse_empty_end("broadcast_receiver", call);
    return *what_;
  }
  status receive_into(const char* call, std::shared_ptr<const T>& message,
                      std::int64_t deadline) noexcept {
    detail::broadcast_core& what = from(call);
    message.reset();
    std::shared_ptr<const void> taken;
    const status end = what.receive(place_, taken, deadline);
    message = std::static_pointer_cast<const T>(std::move(taken));
    return end;
  }

  std::shared_ptr<detail::broadcast_core> what_;
  detail::broadcast_place place_;
};

// When the last sender goes, receivers take the messages that were sent, and then get closed. A
// call on an empty sender aborts, as for a receiver.
template <class T>
class broadcast_sender
    : public detail::counted_end<detail::broadcast_core, detail::end_kind::sender> {
 public:
  using value_type = T;
  using counted_end::counted_end;

  // Sends a message to all present receivers. Returns ok; or closed if there is no receiver: then
  // the message was not moved from. Never parks. Callable from: any fiber or thread.
  // Ordering: everything before send happens before a receive that gets the message. Exceptions:
  // those of T's constructor, and std::bad_alloc; nothing is then sent.
  template <class U = T>
  [[nodiscard]] status send(U&& message) const {
    if (to("send").count_receivers() == 0) return status::closed;
    to("send").send(std::make_shared<const T>(std::forward<U>(message)));
    return status::ok;
  }

  // Makes a receiver, of all messages from now on. Never parks.
  [[nodiscard]] broadcast_receiver<T> subscribe() const noexcept {
    (void)to("subscribe");
    return broadcast_receiver<T>(this->shared());
  }

  // The number of receivers at some moment during the call. Never parks.
  [[nodiscard]] std::size_t count_receivers() const noexcept {
    return to("count_receivers").count_receivers();
  }

 private:
  using base = detail::counted_end<detail::broadcast_core, detail::end_kind::sender>;
  detail::broadcast_core& to(const char* call) const noexcept {
    return base::of_call("broadcast_sender", call);
  }
};

namespace detail {

template <class T>
class broadcast_case final : public select_case {
 public:
  broadcast_case(broadcast_receiver<T>& whose, std::shared_ptr<const T>& result,
                 bool enabled) noexcept
      : select_case(enabled),
        what_(enabled ? &whose.from("receive_from") : nullptr),
        place_(whose.place_),
        result_(result) {}

  spin_lock* lock() noexcept override { return &what_->lock; }
  status attempt(partner&) override {
    std::shared_ptr<const void> message;
    const status end = what_->take(place_, message);
    if (end == status::ok) keep(std::move(message));
    return end;
  }
  wait_list* list() noexcept override { return &what_->waiters; }
  void* slot() noexcept override { return &handed_; }
  void clear() noexcept override { result_.reset(); }
  void dispose() noexcept override {
    if (handed_ == nullptr) return;
    ++place_.next;
    keep(std::move(handed_));
  }

 private:
  void keep(std::shared_ptr<const void>&& message) noexcept {
    result_ = std::static_pointer_cast<const T>(std::move(message));
  }

  broadcast_core* what_;  // null only if the case is not enabled
  broadcast_place& place_;
  std::shared_ptr<const T>& result_;
  std::shared_ptr<const void> handed_;
};

}  // namespace detail

// A case of select: ready when whose.receive(result) would return at once, and then does the same
// as that call. selection::end may be ok, lagged or closed.
template <class T>
detail::broadcast_case<T> receive_from(broadcast_receiver<T>& whose,
                                       std::shared_ptr<const T>& result,
                                       bool enabled = true) noexcept {
  return detail::broadcast_case<T>(whose, result, enabled);
}

template <class T>
struct broadcast_ends {
  broadcast_sender<T> out;
  broadcast_receiver<T> in;
};

// Makes a broadcast channel and an end of each kind; subscribe() makes further receivers. capacity:
// how many messages a receiver may be behind without losing any.
// Errors: std::system_error if capacity is 0, if there is no memory for it, or if its size
// overflows.
template <class T>
broadcast_ends<T> make_broadcast(std::size_t capacity) {
  static_assert(std::is_object_v<T>, "messages are objects");
  auto shared = std::make_shared<detail::broadcast_core>(capacity);
  return {broadcast_sender<T>(shared), broadcast_receiver<T>(shared)};
}

}  // namespace hilo
