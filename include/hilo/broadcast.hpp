// broadcast: each message to every receiver, in order. Senders never wait: a receiver that is
// further behind than the capacity loses the oldest messages, and is told how many.
//
//   auto [out, in] = hilo::make_broadcast<tick>(64);
//   auto listener = hilo::spawn([in = out.subscribe()]() mutable {
//     for (const tick& one : in) use(one);  // until the last sender has gone
//     if (in.lost() != 0) complain(in.lost());
//   });
//   (void)out.send(tick{1});
//
// All receivers share one message, which is const and never copied; it ends when the last of them
// is done with it, and at the latest when `capacity` newer ones were sent. Not where nothing may be
// lost: give each receiver a channel. Not for a value of which only the newest counts: watch.
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

// Where one receiver is.
struct broadcast_place {
  std::uint64_t next = 0;  // number of the message that it takes next
  std::uint64_t lost = 0;
};

// A broadcast channel without the type of its messages. Nothing of that type runs under the lock.
//
// Message n lies in slot n % capacity while `sent - capacity <= n < sent` and somebody has yet to
// take it. A receiver waits only when it has taken all, so the next message is handed to all who
// wait, and the slot counts the others.
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

  // The lock is held. lagged: the place has been moved to the oldest message that is there.
  status take(broadcast_place& place, std::shared_ptr<const void>& message) noexcept;
  void take_next(broadcast_place& place, std::shared_ptr<const void>& message) noexcept;
  // The first message that a receiver may still take.
  std::uint64_t oldest() const noexcept { return sent > capacity ? sent - capacity : 0; }

  struct slot {
    std::shared_ptr<const void> message;
    std::size_t missing = 0;  // receivers that have yet to take it; 0: there is none
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

// Takes each message that is sent from its making on, unless it falls behind. Used by one fiber or
// thread at a time, and moved but not copied. A call on an empty one, which was made by its default
// constructor or moved from, aborts.
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

  // Takes the oldest message that it has not taken. Returns ok; lagged, when messages were lost
  // since the last call: lost() has grown by as many, and the next call takes the oldest that is
  // left; closed, when the last sender has gone and all was taken; cancelled or timed_out when a
  // stop request or a limit came first (hilo/limit.hpp). Unless ok, `message` is null.
  // Parks: until there is one. Callable from: any fiber or thread. Ordering: what happened before
  // send happens before the receive that gets the message.
  [[nodiscard]] status receive(std::shared_ptr<const T>& message) noexcept {
    return receive_into("receive", message, detail::no_deadline);
  }

  // The same without waiting: would_block when it would have to.
  [[nodiscard]] status try_receive(std::shared_ptr<const T>& message) noexcept {
    return receive_into("try_receive", message, detail::no_wait);
  }

  // The same, waiting until a time at most: then timed_out.
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

  // The same for whom lost() is enough: goes on after a gap; null at the end, and when a stop
  // request or a limit came first.
  [[nodiscard]] std::shared_ptr<const T> receive() noexcept {
    std::shared_ptr<const T> message;
    while (receive(message) == status::lagged) {
    }
    return message;
  }

  // How many messages this receiver has lost so far. Never parks.
  [[nodiscard]] std::uint64_t lost() const noexcept { return place_.lost; }

  // How many messages there are to take without waiting. Never parks.
  [[nodiscard]] std::size_t size() const noexcept { return from("size").count_waiting(place_); }

  // Tells whether the last sender has gone; there may be messages left. Never parks.
  [[nodiscard]] bool closed() const noexcept { return from("closed").closed(); }

  // Another receiver, of all messages from now on. Never parks.
  [[nodiscard]] broadcast_receiver resubscribe() const noexcept {
    (void)from("resubscribe");
    return broadcast_receiver(what_);
  }

  // An input iterator over the messages; equal to end() once receive() gives null.
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

  // The channel, for `call`, which an empty end refuses.
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

// When the last sender goes, receivers take the values that were sent, and then get closed. A call
// on an empty one aborts, as that of a receiver.
template <class T>
class broadcast_sender
    : public detail::counted_end<detail::broadcast_core, detail::end_kind::sender> {
 public:
  using value_type = T;
  using counted_end::counted_end;

  // Sends a message to all receivers there are. Returns ok; or closed, when there is none: then it
  // was not moved from. Never parks. Callable from: any fiber or thread.
  // Ordering: what happened before send happens before a receive that gets the message.
  // Exceptions: what T's constructor throws, and std::bad_alloc; nothing is then sent.
  template <class U = T>
  [[nodiscard]] status send(U&& message) const {
    if (to("send").count_receivers() == 0) return status::closed;
    to("send").send(std::make_shared<const T>(std::forward<U>(message)));
    return status::ok;
  }

  // A new receiver, of all messages from now on. Never parks.
  [[nodiscard]] broadcast_receiver<T> subscribe() const noexcept {
    (void)to("subscribe");
    return broadcast_receiver<T>(this->shared());
  }

  // How many receivers there are at some moment during the call. Never parks.
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

// A case of select: ready when whose.receive(result) would return at once, and does what that does:
// selection::end may be ok, lagged or closed.
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

// Makes a broadcast channel and an end of each kind; further receivers come from subscribe().
// capacity: how many messages a receiver may be behind without losing any.
// Errors: std::system_error when it is 0, or memory for it cannot be had or its size overflows.
template <class T>
broadcast_ends<T> make_broadcast(std::size_t capacity) {
  static_assert(std::is_object_v<T>, "messages are objects");
  auto shared = std::make_shared<detail::broadcast_core>(capacity);
  return {broadcast_sender<T>(shared), broadcast_receiver<T>(shared)};
}

}  // namespace hilo
