// select: waits for several things, and does exactly one of them, the first that is ready.
//
//   std::optional<int> number;
//   switch (hilo::select{hilo::receive_from(numbers, number),  // 0
//                        hilo::send_to(results, result),       // 1
//                        hilo::after(2s)}) {                   // 2
//     case 0: if (number) use(*number); break;  // empty: the channel is closed
//     case 1: break;                            // a copy of result was sent
//     case 2: give_up(); break;
//     default: return;                          // stopped, or a limit was reached
//   }
//
// The number is that of the case, counted from 0. If a stop request or a limit ends the select, it
// takes no case: its number is then selection::none, which is not an index. So a switch needs a
// `default`, and code that uses the number as an index has to ask taken() first.
//
// Which case. If several cases are ready, each is equally likely to be taken, at any position in
// the list. select_first takes the first of the cases that are ready at one moment. `otherwise` is
// taken only if there was a moment at which no case was ready. A descriptor (io::ready_of) is the
// exception: the kernel is asked shortly before or after that moment.
//
// Effects. A case that was not taken has no effect: nothing was received or moved from, and its
// destination has not changed. The destination of the taken case holds the value; if the case ended
// without one, because the channel is closed, it is empty. A channel may be in several cases, as
// sender and as receiver.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <type_traits>
#include <utility>
#include <vector>

#include "hilo/channel.hpp"
#include "hilo/detail/select_core.hpp"
#include "hilo/detail/send_case.hpp"
#include "hilo/fiber.hpp"
#include "hilo/latch.hpp"

namespace hilo {

// The result of select; converts to the number of the case.
struct [[nodiscard]] selection {
  // No case was taken: a stop request or a limit came first (hilo/limit.hpp); `end` says which.
  static constexpr std::size_t none = detail::no_case;

  std::size_t index = none;
  status end = status::ok;  // closed: the channel of the case is

  // Whether a case was taken: `index` is then its number.
  [[nodiscard]] constexpr bool taken() const noexcept { return index != none; }
  constexpr operator std::size_t() const noexcept { return index; }  // NOLINT: for switch
};

// The last case of a select that does not wait: taken when no other case is ready.
struct otherwise_t {};
inline constexpr otherwise_t otherwise{};

namespace detail {

template <class T>
class receive_case final : public select_case {
 public:
  // from: null only if the case is not enabled
  receive_case(channel<T>* from, std::optional<T>& result, bool enabled) noexcept
      : select_case(enabled), from_(from), result_(result) {}

  spin_lock* lock() noexcept override { return &from_->core_.lock; }
  status attempt(partner& other) override {
    if (!keeps_former()) return from_->receive_locked(result_, other);
    const status end = from_->receive_locked(other_, other);
    if (end == status::ok) exchange();
    return end;
  }
  wait_list* list() noexcept override { return &from_->core_.receivers; }
  void* slot() noexcept override {
    handed_aside_ = keeps_former();
    return handed_aside_ ? &other_ : &result_;
  }
  void clear() noexcept override { result_.reset(); }
  void renew() noexcept override { other_.reset(); }
  void dispose() noexcept override {
    if (std::exchange(handed_aside_, false) && other_.has_value()) exchange();
  }

 private:
  // The former value must not be destroyed under the lock, because its destructor is code of the
  // program and may use this channel. A value whose move throws is not kept.
  static constexpr bool may_keep =
      !std::is_trivially_destructible_v<T> && std::is_nothrow_move_constructible_v<T>;
  bool keeps_former() const noexcept { return may_keep && result_.has_value(); }

  // Both have a value. Needs no more of T than a channel needs; moved-from values are destroyed
  // here.
  void exchange() noexcept {
    if constexpr (may_keep) {
      T received(std::move(*other_));
      other_.emplace(std::move(*result_));
      result_.emplace(std::move(received));
    }
  }

  channel<T>* from_;
  std::optional<T>& result_;
  std::optional<T>
      other_;  // a value received while result_ has one; then the value that result_ had
  bool handed_aside_ = false;  // a sender that serves this case moves into other_
};

class time_case final : public select_case {
 public:
  time_case(std::int64_t when, bool enabled) noexcept : select_case(enabled), when_(when) {}
  std::int64_t deadline() const noexcept override { return when_; }

 private:
  std::int64_t when_;
};

class event_case final : public select_case {
 public:
  event_case(event& what, bool enabled) noexcept : select_case(enabled), what_(what) {}

  spin_lock* lock() noexcept override { return &what_.lock_; }
  status attempt(partner&) override { return what_.set_ ? status::ok : status::would_block; }
  wait_list* list() noexcept override { return &what_.waiters_; }

 private:
  event& what_;
};

class HILO_API stop_case final : public select_case {
 public:
  stop_case(std::stop_token token, bool enabled) noexcept
      : select_case(enabled), token_(std::move(token)) {}

  spin_lock* lock() noexcept override { return &lock_; }
  status attempt(partner&) override {
    return token_.stop_requested() ? status::ok : status::would_block;
  }
  wait_list* list() noexcept override { return &waiters_; }
  void prepare() noexcept override { on_stop_.emplace(token_, waking{this}); }
  void dispose() noexcept override { on_stop_.reset(); }

 private:
  struct waking {
    stop_case* target;
    void operator()() const noexcept { target->wake_waiter(); }
  };
  void wake_waiter() noexcept;

  std::stop_token token_;
  spin_lock lock_;
  wait_list waiters_;  // guarded by lock_: at most the select itself
  std::optional<std::stop_callback<waking>> on_stop_;
};

class HILO_API end_case final : public select_case {
 public:
  template <class T>
  end_case(hilo::fiber<T>& whose, bool enabled)
      : select_case(enabled && whose.joinable()),
        whose_(whose.joinable() ? owner_of(whose) : nullptr) {}

  spin_lock* lock() noexcept override;
  status attempt(partner& other) override;
  wait_list* list() noexcept override;

 private:
  sched::fiber* whose_;
};

template <class C>
inline constexpr bool is_otherwise = std::is_same_v<std::remove_cvref_t<C>, otherwise_t>;

template <class C>
concept is_case = is_otherwise<C> || std::is_base_of_v<select_case, std::remove_cvref_t<C>>;

template <class... C>
selection select_in(select_order order, C&&... cases) {
  constexpr std::size_t waiting = (std::size_t{!is_otherwise<C>} + ... + 0);
  constexpr bool with_otherwise = waiting != sizeof...(C);
  static_assert(sizeof...(C) - waiting <= 1, "a select has one `otherwise` at most");
  std::array<select_case*, waiting> all{};
  std::size_t at = 0;
  std::size_t otherwise_at = 0;
  [[maybe_unused]] const auto add = [&]<class One>(One& one) {
    if constexpr (is_otherwise<One>) {
      otherwise_at = at;
    } else {
      all[at++] = &one;
    }
  };
  (add(cases), ...);
  const selected result = select_among(all, order, with_otherwise);
  if (result.index == no_case) {
    if (with_otherwise && result.end == status::would_block) return {otherwise_at, status::ok};
    return {selection::none, result.end};
  }
  return {with_otherwise && result.index >= otherwise_at ? result.index + 1 : result.index,
          result.end};
}

}  // namespace detail

// The cases. With `enabled` false a case is left out, and keeps its number. Further cases are
// declared with the types that they wait for: in broadcast.hpp, watch.hpp, oneshot.hpp, and
// io::ready_of for descriptors.

// Ready when a value can be received; the value is then in `result`. Also ready when the channel is
// closed and drained; then `result` is empty. While the case is not taken, `result` is not touched.
template <class T>
auto receive_from(channel<T>& from, std::optional<T>& result, bool enabled = true) noexcept {
  return detail::receive_case<T>(&from, result, enabled);
}

// Ready when `value` can be sent; also when the channel is closed, and then `value` is not moved
// from. An rvalue is moved from only when the case is taken. If the case lives longer than the
// expression with this call, because a function returns it or it has a name, it moves the value
// into itself at the end of that expression. For an lvalue, this call makes a copy, and the copy is
// sent. Without `enabled` nothing is copied or moved.
template <class T>
detail::send_case<T> send_to(channel<T>& to, detail::offer<std::type_identity_t<T>>&& value,
                             bool enabled = true) {
  return detail::send_case<T>(&to, value, enabled);
}

// Ready after a duration, counted from this call, or at a given time.
template <class R, class P>
auto after(std::chrono::duration<R, P> patience, bool enabled = true) noexcept {
  return detail::time_case(detail::deadline_after(patience), enabled);
}
template <class C, class D>
auto at(std::chrono::time_point<C, D> when, bool enabled = true) noexcept {
  return detail::time_case(detail::deadline_at(when), enabled);
}

// Ready while the event is set.
inline auto set_of(event& what, bool enabled = true) noexcept {
  return detail::event_case(what, enabled);
}

// Ready once a stop was requested.
inline auto stop_of(std::stop_token token, bool enabled = true) noexcept {
  return detail::stop_case(std::move(token), enabled);
}

// Ready once the fiber has ended: then join() does not wait. An empty handle is never ready.
template <class T>
auto end_of(fiber<T>& whose, bool enabled = true) {
  return detail::end_case(whose, enabled);
}

// Waits until a case is ready, does its operation and returns its number. With `otherwise` among
// the cases it does not wait. If no case is enabled, it waits for a stop request or a limit.
// Parks: until then. Callable from: any fiber or thread. Cost: linear in the number of cases.
// Ordering: as that of the operation it did. Exceptions: those of a move of a value; std::bad_alloc
// with more than 16 cases. In braces the cases are evaluated in the order in which they are
// written, each once; in parentheses the compiler chooses the order.
struct [[nodiscard]] select : selection {
  template <class... C>
  requires(detail::is_case<C>&&...) [[nodiscard]] select(C&&... cases)  // NOLINT: for one case too
      : selection(detail::select_in(detail::select_order::random, cases...)) {}
};

// The same, but if several cases are ready, the first is taken. A case that is always ready
// therefore starves the cases behind it.
struct [[nodiscard]] select_first : selection {
  template <class... C>
  requires(detail::is_case<C>&&...)
      [[nodiscard]] select_first(C&&... cases)  // NOLINT: for one case too
      : selection(detail::select_in(detail::select_order::first, cases...)) {}
};

// A list of cases that is built at run time. The call that adds a case returns its number. The list
// may be waited for again and again; the objects that its cases refer to must live as long.
class select_list {
 public:
  template <class T>
  std::size_t receive_from(channel<T>& from, std::optional<T>& result, bool enabled = true) {
    return add([&] { return hilo::receive_from(from, result, enabled); });
  }
  // `value` is moved from when this case is taken.
  template <class T>
  std::size_t send_to(channel<T>& to, std::type_identity_t<T>& value, bool enabled = true) {
    return add([&] { return detail::send_case<T>(&to, &value, enabled); });
  }
  template <class C, class D>
  std::size_t at(std::chrono::time_point<C, D> when, bool enabled = true) {
    return add([&] { return hilo::at(when, enabled); });
  }
  std::size_t set_of(event& what, bool enabled = true) {
    return add([&] { return hilo::set_of(what, enabled); });
  }
  std::size_t stop_of(std::stop_token token, bool enabled = true) {
    return add([&] { return hilo::stop_of(std::move(token), enabled); });
  }
  template <class T>
  std::size_t end_of(fiber<T>& whose, bool enabled = true) {
    return add([&] { return hilo::end_of(whose, enabled); });
  }
  // Adds the case that is taken when no other case is ready: from now on the list does not wait. A
  // list has at most one such case; a second call returns its number.
  std::size_t otherwise() {
    if (otherwise_at_ == selection::none) otherwise_at_ = cases_.size();
    return otherwise_at_;
  }

  // Adds the case that make() returns: [&] { return hilo::changed_of(settings); }
  template <class F>
  std::size_t add(F make) {
    struct holder {
      explicit holder(F& its) : one(its()) {}
      std::invoke_result_t<F> one;  // cannot be moved
    };
    auto made = std::make_shared<holder>(make);  // erases the destructor
    cases_.push_back(&made->one);
    owned_.push_back(std::move(made));
    return size() - 1;
  }

  std::size_t size() const noexcept {
    return cases_.size() + (otherwise_at_ != selection::none ? 1 : 0);
  }

  // As select and select_first.
  selection wait() { return run(detail::select_order::random, false); }
  selection wait_first() { return run(detail::select_order::first, false); }
  // Does not wait. Returns none and would_block if there was a moment at which no case was ready.
  selection try_now() { return run(detail::select_order::random, true); }

 private:
  selection run(detail::select_order order, bool no_wait) {
    for (detail::select_case* one : cases_) one->renew();
    const bool with_otherwise = otherwise_at_ != selection::none;
    const detail::selected result = detail::select_among(cases_, order, no_wait || with_otherwise);
    if (!with_otherwise) return {result.index, result.end};
    if (result.index == detail::no_case) return {otherwise_at_, status::ok};
    return {result.index + (result.index >= otherwise_at_ ? 1 : 0), result.end};
  }

  std::vector<detail::select_case*> cases_;
  std::vector<std::shared_ptr<void>> owned_;
  std::size_t otherwise_at_ = selection::none;
};

}  // namespace hilo
