// shared_result: the outcome of a oneshot for several waiters, like std::shared_future. Each copy
// receives the same value, or the same exception.
//
//   auto [out, in] = hilo::make_oneshot<config>();
//   hilo::shared_result<config> loaded(std::move(in));
//   auto server = hilo::spawn([loaded]() mutable {
//     if (const auto now = loaded.receive()) serve(*now);  // null: the sender has gone
//   });
//   (void)out.send(load());
//
// The value is const and shared, and never copied. It lives as long as a shared_result or a pointer
// to the value does. For several values use watch or broadcast.
#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <utility>

#include "hilo/detail/counted_end.hpp"
#include "hilo/detail/deadline.hpp"
#include "hilo/detail/select_core.hpp"
#include "hilo/oneshot.hpp"
#include "hilo/status.hpp"

namespace hilo {

template <class T>
class shared_result;

namespace detail {

// The shared value; rethrows the exception that was sent instead of a value.
template <class T>
std::shared_ptr<const T> shared_outcome(const std::shared_ptr<oneshot<T>>& what) {
  if (what->error != nullptr) std::rethrow_exception(what->error);
  return std::shared_ptr<const T>(what, &*what->value);
}

template <class T>
class shared_result_case final : public select_case {
 public:
  // what: null only if the case is not enabled
  shared_result_case(std::shared_ptr<oneshot<T>> what, std::shared_ptr<const T>& result,
                     bool enabled) noexcept
      : select_case(enabled), what_(std::move(what)), result_(result) {}

  spin_lock* lock() noexcept override { return &what_->lock; }
  status attempt(partner&) override {
    const status end = what_->look();
    std::shared_ptr<const T> now;
    if (end == status::ok) now = shared_outcome(what_);
    if (end == status::would_block) return end;
    former_ = std::exchange(result_, std::move(now));
    return end;
  }
  wait_list* list() noexcept override { return &what_->waiters; }
  void clear() noexcept override { result_.reset(); }
  void renew() noexcept override { former_.reset(); }

 private:
  const std::shared_ptr<oneshot<T>> what_;
  std::shared_ptr<const T>& result_;
  std::shared_ptr<const T> former_;  // of result_: must not be destroyed under the lock
};

}  // namespace detail

// Each copy is used by one fiber or thread at a time. A shared_result that was made by its default
// constructor or moved from is empty: a call on it aborts.
template <class T>
class shared_result : public detail::counted_end<detail::oneshot<T>, detail::end_kind::receiver> {
  using base = detail::counted_end<detail::oneshot<T>, detail::end_kind::receiver>;

 public:
  using value_type = T;

  shared_result() noexcept = default;
  // Takes the outcome of `from`, which is then empty. If `from` is empty, so is the result. If the
  // outcome was received from it before, receive() returns closed.
  shared_result(oneshot_receiver<T>&& from) noexcept  // NOLINT: as std::shared_future
      : base(from.shared()) {
    from = oneshot_receiver<T>();
  }

  // Receives the value. Returns ok; closed, if the sender has gone without sending; cancelled or
  // timed_out if a stop request or a limit came first (hilo/limit.hpp). Unless ok, `result` is
  // null, also if it throws. After ok, each further call returns ok with the same value. Parks:
  // until the outcome is there. Callable from: any fiber or thread. Ordering: everything before
  // send or fail happens before each receive that gets its outcome. Exceptions: the one that
  // the sender passed to fail, in each call.
  [[nodiscard]] status receive(std::shared_ptr<const T>& result) const {
    return receive_into("receive", result, detail::no_deadline);
  }

  // Receives the value; null if there is none. Otherwise as the form before.
  [[nodiscard]] std::shared_ptr<const T> receive() const {
    std::shared_ptr<const T> result;
    (void)receive_into("receive", result, detail::no_deadline);
    return result;
  }

  // Receives without waiting. Returns would_block if the outcome is not there yet.
  [[nodiscard]] status try_receive(std::shared_ptr<const T>& result) const {
    return receive_into("try_receive", result, detail::no_wait);
  }

  // Receives, and waits no longer than the given time: then timed_out.
  template <class R, class P>
  [[nodiscard]] status receive_for(std::shared_ptr<const T>& result,
                                   std::chrono::duration<R, P> patience) const {
    return receive_into("receive_for", result, detail::deadline_after(patience));
  }
  template <class C, class D>
  [[nodiscard]] status receive_until(std::shared_ptr<const T>& result,
                                     std::chrono::time_point<C, D> when) const {
    return detail::wait_until_time(when, [&](std::int64_t deadline) {
      return receive_into("receive_until", result, deadline);
    });
  }

 private:
  template <class U>
  friend detail::shared_result_case<U> receive_from(const shared_result<U>& whose,
                                                    std::shared_ptr<const U>& result,
                                                    bool enabled) noexcept;

  status receive_into(const char* call, std::shared_ptr<const T>& result,
                      std::int64_t deadline) const {
    detail::oneshot<T>& what = this->of_call("shared_result", call);
    result.reset();
    const status end = what.wait(deadline, detail::oneshot_use::shared);
    if (end == status::ok) result = detail::shared_outcome(this->shared());
    return end;
  }
};

// A case of select: ready when whose.receive(result) would return at once, and then does the same
// as that call; an exception that was sent leaves the select.
template <class T>
detail::shared_result_case<T> receive_from(const shared_result<T>& whose,
                                           std::shared_ptr<const T>& result,
                                           bool enabled = true) noexcept {
  (void)whose.of_case("shared_result", "receive_from", enabled);
  return detail::shared_result_case<T>(whose.shared(), result, enabled);
}

}  // namespace hilo
