// oneshot: one value, or one exception, from one sender to one receiver: the answer to a request.
//
//   auto [out, in] = hilo::make_oneshot<int>();
//   hilo::spawn([out = std::move(out)]() mutable {
//     try { (void)out.send(compute()); } catch (...) { (void)out.fail(std::current_exception()); }
//   }).detach();
//   if (std::optional<int> answer = in.receive()) use(*answer);  // throws what compute() threw
//
// If the sender goes before it has sent, the oneshot is closed; the same if the receiver goes. So
// neither end waits for an end that is gone. Not for the result of a fiber: its handle gives the
// result.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
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

enum class oneshot_state : std::uint8_t {
  pending,  // the sender has yet to write the outcome, or has gone
  sent,     // the outcome belongs to the receiver
  taken,    // the outcome is gone: the receiver took it
};

// Whether the receiver takes the outcome, or leaves it for other receivers
// (hilo/shared_result.hpp).
enum class oneshot_use : std::uint8_t { alone, shared };

// A oneshot without its value, which is in the derived class. While the state is pending, the
// sender touches the value; once it is sent, the receiver does. The lock orders the two.
struct HILO_API oneshot_core {
  oneshot_core() noexcept = default;
  ~oneshot_core();
  oneshot_core(const oneshot_core&) = delete;
  oneshot_core& operator=(const oneshot_core&) = delete;

  void add_sender() noexcept;
  void drop_sender() noexcept;
  void add_receiver() noexcept;
  void drop_receiver() noexcept;

  bool has_receiver() const noexcept;
  // The outcome is written: makes it the receiver's, and wakes the receivers.
  void publish() noexcept;
  // ok: the outcome now belongs to the caller.
  status wait(std::int64_t deadline, oneshot_use use = oneshot_use::alone) noexcept;

  // The lock is held. look: ok if the outcome is there. take: the same, and the outcome then
  // belongs to the caller.
  status look() const noexcept {
    if (state == oneshot_state::pending) return sending ? status::would_block : status::closed;
    return state == oneshot_state::sent ? status::ok : status::closed;
  }
  status take() noexcept;

  mutable sync_lock lock;
  oneshot_state state = oneshot_state::pending;  // all guarded by lock
  bool sending = false;                          // there is a sender
  std::size_t receivers = 0;
  wait_list waiters;  // the receivers; woken with try_again when there is an outcome
};

template <class T>
struct oneshot : oneshot_core {
  // Returns the value that was sent, or rethrows the exception that was passed to fail.
  T take_outcome() {
    if (error != nullptr) std::rethrow_exception(std::move(error));
    return std::move(*value);
  }

  std::optional<T> value;
  std::exception_ptr error;
};

template <class T>
class oneshot_case final : public select_case {
 public:
  // what: null only if the case is not enabled
  oneshot_case(oneshot<T>* what, std::optional<T>& result, bool enabled) noexcept
      : select_case(enabled), what_(what), result_(result) {}

  spin_lock* lock() noexcept override { return &what_->lock; }
  status attempt(partner&) override {
    const status end = what_->take();
    if (end == status::ok) result_.emplace(what_->take_outcome());
    return end;
  }
  wait_list* list() noexcept override { return &what_->waiters; }
  void clear() noexcept override { result_.reset(); }

 private:
  oneshot<T>* what_;
  std::optional<T>& result_;
};

}  // namespace detail

template <class T>
class shared_result;  // hilo/shared_result.hpp

// The end that receives. Used by one fiber or thread at a time, and moved but not copied. A
// receiver that was made by its default constructor or moved from is empty: a call on it aborts.
template <class T>
class oneshot_receiver
    : public detail::counted_end<detail::oneshot<T>, detail::end_kind::receiver> {
  using base = detail::counted_end<detail::oneshot<T>, detail::end_kind::receiver>;

 public:
  using value_type = T;
  using base::base;
  oneshot_receiver(const oneshot_receiver&) = delete;
  oneshot_receiver& operator=(const oneshot_receiver&) = delete;
  oneshot_receiver(oneshot_receiver&&) noexcept = default;
  oneshot_receiver& operator=(oneshot_receiver&&) noexcept = default;
  ~oneshot_receiver() = default;

  // Receives the value. Returns ok; closed if the sender has gone without sending, or if the value
  // was received before; cancelled or timed_out if a stop request or a limit came first
  // (hilo/limit.hpp). Unless ok, `result` is empty.
  // Parks: until the outcome is there. Callable from: any fiber or thread. Ordering: everything
  // before send or fail happens before the receive that gets its outcome.
  // Exceptions: the one that the sender passed to fail; those of T's move constructor.
  [[nodiscard]] status receive(std::optional<T>& result) {
    return receive_into("receive", result, detail::no_deadline);
  }

  // The same, but returns an empty optional if there is no value, without the reason.
  [[nodiscard]] std::optional<T> receive() {
    std::optional<T> result;
    (void)receive_into("receive", result, detail::no_deadline);
    return result;
  }

  // The same without waiting. Returns would_block if it would have to wait.
  [[nodiscard]] status try_receive(std::optional<T>& result) {
    return receive_into("try_receive", result, detail::no_wait);
  }

  // The same, and waits no longer than the given time: then timed_out.
  template <class R, class P>
  [[nodiscard]] status receive_for(std::optional<T>& result, std::chrono::duration<R, P> patience) {
    return receive_into("receive_for", result, detail::deadline_after(patience));
  }
  template <class C, class D>
  [[nodiscard]] status receive_until(std::optional<T>& result, std::chrono::time_point<C, D> when) {
    return detail::wait_until_time(when, [&](std::int64_t deadline) {
      return receive_into("receive_until", result, deadline);
    });
  }

 private:
  friend class shared_result<T>;
  template <class U>
  friend detail::oneshot_case<U> receive_from(oneshot_receiver<U>& whose, std::optional<U>& result,
                                              bool enabled) noexcept;

  // Not inline: gcc 12 would warn that a caller's `result` may be uninitialized, which it is not.
  [[gnu::noinline]] status receive_into(const char* call, std::optional<T>& result,
                                        std::int64_t deadline) {
    detail::oneshot<T>& what = this->of_call("oneshot_receiver", call);
    result.reset();
    const status end = what.wait(deadline);
    if (end == status::ok) result.emplace(what.take_outcome());
    return end;
  }
};

// A case of select: ready when whose.receive(result) would return at once, and then does the same
// as that call; an exception that was sent leaves the select.
template <class T>
detail::oneshot_case<T> receive_from(oneshot_receiver<T>& whose, std::optional<T>& result,
                                     bool enabled = true) noexcept {
  return detail::oneshot_case<T>(whose.of_case("oneshot_receiver", "receive_from", enabled), result,
                                 enabled);
}

// The end that sends, once. Used by one fiber or thread at a time, and moved but not copied.
template <class T>
class oneshot_sender : public detail::counted_end<detail::oneshot<T>, detail::end_kind::sender> {
  using base = detail::counted_end<detail::oneshot<T>, detail::end_kind::sender>;

 public:
  using value_type = T;
  using base::base;
  oneshot_sender(const oneshot_sender&) = delete;
  oneshot_sender& operator=(const oneshot_sender&) = delete;
  oneshot_sender(oneshot_sender&&) noexcept = default;
  oneshot_sender& operator=(oneshot_sender&&) noexcept = default;
  ~oneshot_sender() = default;

  // Sends the value; the end is then used up. Returns ok; or closed if the receiver has gone, or if
  // this end was used up or moved from: then the value was not moved from.
  // Never parks. Callable from: any fiber or thread. Ordering: everything before send happens
  // before the receive that gets the value.
  // Exceptions: those of T's constructor; then nothing was sent.
  template <class U = T>
  [[nodiscard]] status send(U&& value) {
    if (closed()) return status::closed;
    this->shared()->value.emplace(std::forward<U>(value));
    return publish();
  }

  // Sends an exception, which receive() rethrows. Otherwise as send.
  [[nodiscard]] status fail(std::exception_ptr error) noexcept {
    if (closed()) return status::closed;
    this->shared()->error = std::move(error);
    return publish();
  }

  // Tells whether send would return closed: no receiver needs the value any more. Never parks.
  [[nodiscard]] bool closed() const noexcept { return !*this || !this->shared()->has_receiver(); }

 private:
  status publish() noexcept {
    this->shared()->publish();
    *this = oneshot_sender();
    return status::ok;
  }
};

template <class T>
struct oneshot_ends {
  oneshot_sender<T> out;
  oneshot_receiver<T> in;
};

// Makes a oneshot and its two ends. If it only has to tell that something is done, use
// std::monostate as T.
template <class T>
oneshot_ends<T> make_oneshot() {
  static_assert(std::is_object_v<T> && std::is_move_constructible_v<T>,
                "what is sent is an object that can be moved");
  auto shared = std::make_shared<detail::oneshot<T>>();
  return {oneshot_sender<T>(shared), oneshot_receiver<T>(shared)};
}

}  // namespace hilo
