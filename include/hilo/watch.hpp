// watch: one value that changes, for receivers that need only the newest value, not each one: a
// setting, a progress, a state. Many senders, many receivers.
//
//   auto [out, in] = hilo::make_watch<config>(load());
//   auto server = hilo::spawn([in = in]() mutable {
//     do apply(*in.borrow_and_update()); while (in.changed() == hilo::status::ok);
//   });
//   (void)out.send(load());  // the server sees this, or one that was sent after it
//
// A value is const, shared by all borrowers and never copied. It is destroyed when a newer value
// has replaced it and the last borrower has let it go. If each message has to arrive, use a channel
// or broadcast instead.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

#include "hilo/detail/api.hpp"
#include "hilo/detail/counted_end.hpp"
#include "hilo/detail/deadline.hpp"
#include "hilo/detail/decision.hpp"
#include "hilo/detail/select_core.hpp"
#include "hilo/detail/waiter.hpp"
#include "hilo/status.hpp"

namespace hilo {

namespace detail {

// A watch without the type of its value. Nothing of that type runs under the lock.
struct HILO_API watch_core {
  explicit watch_core(std::shared_ptr<const void> initial) noexcept : value(std::move(initial)) {}
  ~watch_core();
  watch_core(const watch_core&) = delete;
  watch_core& operator=(const watch_core&) = delete;

  void add_sender() noexcept;
  void drop_sender() noexcept;
  void add_receiver() noexcept;
  void drop_receiver() noexcept;

  std::size_t count_receivers() const noexcept;
  bool closed() const noexcept;
  // Stores a new value, wakes the waiters, and returns the former value.
  std::shared_ptr<const void> replace(std::shared_ptr<const void> next) noexcept;
  // The value, and its version.
  std::shared_ptr<const void> newest(std::uint64_t& its) const noexcept;
  std::uint64_t newest_version() const noexcept;
  status wait(std::uint64_t& seen, std::int64_t deadline) noexcept;

  // The lock is held.
  status look(std::uint64_t& seen) const noexcept {
    if (seen == version) return senders == 0 ? status::closed : status::would_block;
    seen = version;
    return status::ok;
  }

  mutable sync_lock lock;
  std::shared_ptr<const void> value;  // all guarded by lock
  std::uint64_t version = 0;          // of value: how many values came before it
  std::size_t senders = 0;
  std::size_t receivers = 0;
  wait_list waiters;  // receivers that saw this version; wait_node::slot: their `seen`
};

class watch_case final : public select_case {
 public:
  // what: null only if the case is not enabled
  watch_case(watch_core* what, std::uint64_t& seen, bool enabled) noexcept
      : select_case(enabled), what_(what), seen_(seen) {}

  spin_lock* lock() noexcept override { return &what_->lock; }
  status attempt(partner&) override { return what_->look(seen_); }
  wait_list* list() noexcept override { return &what_->waiters; }
  void* slot() noexcept override { return &seen_; }

 private:
  watch_core* what_;
  std::uint64_t& seen_;
};

}  // namespace detail

// Sees each value at most once, and always the newest. Used by one fiber or thread at a time; a
// copy is another receiver, which has seen the same value as this one. A receiver that was made by
// its default constructor or moved from is empty: a call on it aborts.
template <class T>
class watch_receiver : public detail::counted_end<detail::watch_core, detail::end_kind::receiver> {
 public:
  using value_type = T;

  watch_receiver() noexcept = default;
  watch_receiver(std::shared_ptr<detail::watch_core> what, std::uint64_t seen) noexcept
      : counted_end(std::move(what)), seen_(seen) {}

  // The newest value. It does not change while the caller keeps the pointer. Never parks.
  // Callable from: anywhere except a signal handler. Ordering: everything before the send of this
  // value happens before borrow returns.
  [[nodiscard]] std::shared_ptr<const T> borrow() const noexcept {
    std::uint64_t version = 0;
    return std::static_pointer_cast<const T>(from("borrow").newest(version));
  }
  // The same, and the value counts as seen.
  [[nodiscard]] std::shared_ptr<const T> borrow_and_update() noexcept {
    return std::static_pointer_cast<const T>(from("borrow_and_update").newest(seen_));
  }

  // Tells whether this receiver has not yet seen the newest value. Never parks.
  [[nodiscard]] bool has_changed() const noexcept {
    return from("has_changed").newest_version() != seen_;
  }

  // Waits until there is a value that this receiver has not seen; the value then counts as seen.
  // Returns ok; closed if the last sender has gone and no unseen value is left; cancelled or
  // timed_out if a stop request or a limit came first (hilo/limit.hpp). Parks: until then. Callable
  // from: any fiber or thread. Ordering: as borrow.
  [[nodiscard]] status changed() noexcept {
    return from("changed").wait(seen_, detail::no_deadline);
  }

  // The same, and waits no longer than the given time: then timed_out.
  template <class R, class P>
  [[nodiscard]] status changed_for(std::chrono::duration<R, P> patience) noexcept {
    return from("changed_for").wait(seen_, detail::deadline_after(patience));
  }
  template <class C, class D>
  [[nodiscard]] status changed_until(std::chrono::time_point<C, D> when) noexcept {
    return detail::wait_until_time(
        when, [&](std::int64_t deadline) { return from("changed_until").wait(seen_, deadline); });
  }

  // Waits until predicate(newest value) is true, and returns that value, which counts as seen.
  // Returns null if changed() would return anything except ok. Parks, and callable from: as
  // changed.
  template <class F>
  [[nodiscard]] std::shared_ptr<const T> wait(F predicate) {
    (void)from("wait");
    while (true) {
      std::shared_ptr<const T> now = borrow_and_update();
      if (predicate(*now)) return now;
      if (changed() != status::ok) return nullptr;
    }
  }

  // Tells whether the last sender has gone. Never parks.
  [[nodiscard]] bool closed() const noexcept { return from("closed").closed(); }

 private:
  using base = detail::counted_end<detail::watch_core, detail::end_kind::receiver>;
  detail::watch_core& from(const char* call) const noexcept {
    return base::of_call("watch_receiver", call);
  }

  template <class U>
  friend detail::watch_case changed_of(watch_receiver<U>& whose, bool enabled) noexcept;

  std::uint64_t seen_ = 0;
};

// A case of select: ready when changed() would return at once, and then does the same as that call.
template <class T>
detail::watch_case changed_of(watch_receiver<T>& whose, bool enabled = true) noexcept {
  return detail::watch_case(whose.of_case("watch_receiver", "changed_of", enabled), whose.seen_,
                            enabled);
}

// When the last sender goes, receivers still see the newest value, and then get closed. A call on
// an empty sender aborts, as for a receiver.
template <class T>
class watch_sender : public detail::counted_end<detail::watch_core, detail::end_kind::sender> {
 public:
  using value_type = T;
  using counted_end::counted_end;

  // Replaces the value. Returns ok; or closed if there is no receiver: then the old value stays,
  // and the new one was not moved from. Never parks. Callable from: any fiber or thread.
  // Ordering: everything before send happens before a call that sees the value. Exceptions: those
  // of T's constructor, and std::bad_alloc; the old value then stays.
  template <class U = T>
  [[nodiscard]] status send(U&& value) const {
    if (to("send").count_receivers() == 0) return status::closed;
    (void)send_replace(std::forward<U>(value));
    return status::ok;
  }

  // Replaces the value, also if there is no receiver, and returns the former value.
  // Never parks. Callable from, ordering and exceptions: as send.
  template <class U = T>
  std::shared_ptr<const T> send_replace(U&& value) const {
    return std::static_pointer_cast<const T>(
        to("send_replace").replace(std::make_shared<const T>(std::forward<U>(value))));
  }

  // The newest value. Never parks.
  [[nodiscard]] std::shared_ptr<const T> borrow() const noexcept {
    std::uint64_t version = 0;
    return std::static_pointer_cast<const T>(to("borrow").newest(version));
  }

  // Makes a receiver that counts the newest value as seen. Never parks.
  [[nodiscard]] watch_receiver<T> subscribe() const noexcept {
    const std::uint64_t seen = to("subscribe").newest_version();
    return {this->shared(), seen};
  }

  // The number of receivers at some moment during the call. Never parks.
  [[nodiscard]] std::size_t count_receivers() const noexcept {
    return to("count_receivers").count_receivers();
  }

 private:
  using base = detail::counted_end<detail::watch_core, detail::end_kind::sender>;
  detail::watch_core& to(const char* call) const noexcept {
    return base::of_call("watch_sender", call);
  }
};

template <class T>
struct watch_ends {
  watch_sender<T> out;
  watch_receiver<T> in;
};

// Makes a watch and its two ends. The receiver has seen `initial`.
template <class T>
watch_ends<T> make_watch(T initial) {
  static_assert(std::is_object_v<T>, "what is watched is an object");
  auto shared = std::make_shared<detail::watch_core>(std::make_shared<const T>(std::move(initial)));
  return {watch_sender<T>(shared), watch_receiver<T>(shared, 0)};
}

}  // namespace hilo
