// The case of a select that sends to a channel, and how it gets its value.
//
// An rvalue stays where it is until the end of its full expression, and that is nearly always as
// long as the select. Only the taken case moves from it. So a case that was not taken costs no
// move, and the caller's object keeps its value. A case may outlive the expression, because a
// function returned it or it has a name. It must then not refer to a temporary that is gone. So the
// offer, which is itself a temporary of that expression, tells the case when it ends, and the case
// moves the value into itself. The value is made first, then the offer, then the case; they end in
// the opposite order.
//   Rejected: moving at once, which takes the value from the caller when another case is taken.
#pragma once

#include <concepts>
#include <optional>
#include <type_traits>
#include <utility>

#include "hilo/detail/select_core.hpp"
#include "hilo/status.hpp"

namespace hilo {
template <class T>
class channel;
}

namespace hilo::detail {

template <class T>
class send_case;

// The value in a call of send_to: an rvalue, an lvalue to copy, a value that converts to T, or a
// list in braces.
template <class T>
class offer {
 public:
  offer(T&& value) noexcept : rvalue_(&value) {}                                           // NOLINT
  offer(const T& value) noexcept requires std::copy_constructible<T> : lvalue_(&value) {}  // NOLINT
  template <class U>
  requires(!std::same_as<std::remove_cvref_t<U>, T> &&
           !std::same_as<std::remove_cvref_t<U>, offer> && std::convertible_to<U, T>)
      offer(U&& value)  // NOLINT
      : made_(std::in_place, std::forward<U>(value)), rvalue_(&*made_) {}
  template <class... A>
  requires(sizeof...(A) != 1) offer(A&&... parts) {  // NOLINT(google-explicit-constructor)
    if constexpr (requires { T{std::forward<A>(parts)...}; }) {
      rvalue_ = &made_.emplace(T{std::forward<A>(parts)...});
    } else {
      rvalue_ = &made_.emplace(std::forward<A>(parts)...);
    }
  }
  offer(const offer&) = delete;
  offer& operator=(const offer&) = delete;
  ~offer() noexcept(std::is_nothrow_move_constructible_v<T>) {
    if (taker_ != nullptr) taker_->keep_value();
  }

 private:
  friend class send_case<T>;

  std::optional<T> made_;
  T* rvalue_ = nullptr;
  const T* lvalue_ = nullptr;
  send_case<T>* taker_ = nullptr;  // the case that still has to move the value
};

template <class T>
class send_case final : public select_case {
 public:
  // For an lvalue; it is moved from when the case is taken. to: null only if the case is not
  // enabled
  send_case(channel<T>* to, T* value, bool enabled) noexcept
      : select_case(enabled), to_(to), value_(value) {}
  // A case that is not enabled neither copies nor moves.
  send_case(channel<T>* to, offer<T>& given, bool enabled) : select_case(enabled), to_(to) {
    if (!enabled) return;
    if constexpr (std::copy_constructible<T>) {
      const T* const copied = given.lvalue_ != nullptr          ? given.lvalue_
                              : std::is_trivially_copyable_v<T> ? given.rvalue_
                                                                : nullptr;
      if (copied != nullptr) {
        value_ = &own_.emplace(*copied);
        return;
      }
    }
    value_ = given.rvalue_;
    given_ = &given;
    given.taker_ = this;
  }
  ~send_case() override {
    if (given_ != nullptr) given_->taker_ = nullptr;
  }

  spin_lock* lock() noexcept override { return &to_->core_.lock; }
  status attempt(partner& other) override { return to_->send_locked(*value_, other); }
  wait_list* list() noexcept override { return &to_->core_.senders; }
  void* slot() noexcept override { return value_; }

 private:
  friend class offer<T>;

  void keep_value() {
    given_ = nullptr;
    value_ = &own_.emplace(std::move(*value_));
  }

  channel<T>* to_;
  std::optional<T> own_;
  T* value_ = nullptr;
  offer<T>* given_ = nullptr;  // an offer that has not ended yet
};

}  // namespace hilo::detail
