// The ends of a channel: to pass on only the right to send, or only the right to receive.
//
//   auto [out, in] = hilo::make_channel<int>(16);
//   auto producer = hilo::spawn([out = std::move(out)]() mutable {
//     for (int i = 0; i < 100; ++i) if (out.send(i) != hilo::status::ok) break;
//   });                       // the last sender goes: the channel is closed
//   for (int n : in) use(n);
//
// Ends made by make_channel share the channel; copies count. When the last sender goes, the channel
// is closed as by close(): values that were sent are still received. When the last receiver goes,
// senders get closed, and values that were not received are destroyed, oldest first. So if a client
// waits on a oneshot whose sender it put into its request, it learns that the server is gone. An
// end made from a channel is a view: it is not counted, and must not outlive the channel.
//
// A sender cannot receive and a receiver cannot send, in select either. An end that was made by its
// default constructor or was moved from is empty: a call on it aborts with a message; a case of
// select that is not enabled may have an empty end.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "hilo/channel.hpp"
#include "hilo/detail/counted_end.hpp"

namespace hilo {

namespace detail {

template <class T>
struct shared_channel {
  explicit shared_channel(std::size_t capacity) : what(capacity) {}
  explicit shared_channel(unbounded_t) : what(unbounded) {}

  // relaxed: the end that is copied is already counted
  void add_sender() noexcept { senders.fetch_add(1, std::memory_order_relaxed); }
  void add_receiver() noexcept { receivers.fetch_add(1, std::memory_order_relaxed); }
  // (N1) acq_rel: everything that the other ends did with the channel happens before its close
  void drop_sender() noexcept {
    if (senders.fetch_sub(1, std::memory_order_acq_rel) == 1) what.close();
  }
  void drop_receiver() noexcept {
    if (receivers.fetch_sub(1, std::memory_order_acq_rel) == 1) what.abandon();
  }

  std::atomic<std::size_t> senders{0};
  std::atomic<std::size_t> receivers{0};
  channel<T> what;
};

// One end: a view, or a share that is counted.
template <class T, end_kind Kind>
class channel_end : counted_end<shared_channel<T>, Kind> {
  using share = counted_end<shared_channel<T>, Kind>;

 public:
  channel_end() noexcept = default;
  explicit channel_end(channel<T>& viewed) noexcept : what_(&viewed) {}
  explicit channel_end(std::shared_ptr<shared_channel<T>> shared) noexcept
      : share(std::move(shared)), what_(&this->shared()->what) {}
  channel_end(const channel_end& other) noexcept = default;
  channel_end(channel_end&& other) noexcept
      : share(std::move(other)), what_(std::exchange(other.what_, nullptr)) {}
  channel_end& operator=(channel_end other) noexcept {
    share::operator=(std::move(other));
    what_ = other.what_;
    return *this;
  }
  ~channel_end() = default;

  // Tells whether it has a channel: false if it is empty.
  explicit operator bool() const noexcept { return what_ != nullptr; }

  // The channel, with both directions. Errors: aborts if the end is empty.
  channel<T>& of() const noexcept { return of_call("of"); }

  // As those of channel.
  std::size_t size() const noexcept { return of_call("size").size(); }
  bool closed() const noexcept { return of_call("closed").closed(); }
  std::size_t capacity() const noexcept { return of_call("capacity").capacity(); }

 protected:
  // The channel, for `call`; aborts and names `call` if the end is empty.
  channel<T>& of_call(const char* call) const noexcept {
    if (what_ == nullptr) [[unlikely]]
      refuse_empty_end(Kind == end_kind::sender ? "sender" : "receiver", call);
    return *what_;
  }
  // The channel, for a case of select; null if the end is empty and the case does not take part.
  channel<T>* of_case(const char* call, bool enabled) const noexcept {
    return enabled ? &of_call(call) : what_;
  }

 private:
  channel<T>* what_ = nullptr;
};

}  // namespace detail

// The calls for sending, and close(): as those of channel. A view comes from a channel without a
// cast.
template <class T>
class sender : public detail::channel_end<T, detail::end_kind::sender> {
  using base = detail::channel_end<T, detail::end_kind::sender>;

 public:
  using value_type = T;
  using base::base;
  sender(channel<T>& viewed) noexcept : base(viewed) {}  // NOLINT: a channel is passed as a sender

  [[nodiscard]] status send(T&& value) const { return to("send").send(std::move(value)); }
  [[nodiscard]] status send(const T& value) const requires std::is_copy_constructible_v<T> {
    return to("send").send(value);
  }
  [[nodiscard]] status try_send(T&& value) const {
    return to("try_send").try_send(std::move(value));
  }
  [[nodiscard]] status try_send(const T& value) const requires std::is_copy_constructible_v<T> {
    return to("try_send").try_send(value);
  }
  template <class R, class P>
  [[nodiscard]] status send_for(T&& value, std::chrono::duration<R, P> patience) const {
    return to("send_for").send_for(std::move(value), patience);
  }
  template <class R, class P>
  [[nodiscard]] status send_for(const T& value, std::chrono::duration<R, P> patience)
      const requires std::is_copy_constructible_v<T> {
    return to("send_for").send_for(value, patience);
  }
  template <class C, class D>
  [[nodiscard]] status send_until(T&& value, std::chrono::time_point<C, D> when) const {
    return to("send_until").send_until(std::move(value), when);
  }
  template <class C, class D>
  [[nodiscard]] status send_until(const T& value, std::chrono::time_point<C, D> when)
      const requires std::is_copy_constructible_v<T> {
    return to("send_until").send_until(value, when);
  }
  [[nodiscard]] status send_all(std::span<T> values, std::size_t& sent) const {
    return to("send_all").send_all(values, sent);
  }
  void close() const noexcept { to("close").close(); }

 private:
  template <class U>
  friend detail::send_case<U> send_to(const sender<U>& to,
                                      detail::offer<std::type_identity_t<U>>&& value, bool enabled);

  channel<T>& to(const char* call) const noexcept { return this->of_call(call); }
};

// The calls for receiving: as those of channel. A receiver has no close(): it ends the channel when
// the last one goes.
template <class T>
class receiver : public detail::channel_end<T, detail::end_kind::receiver> {
  using base = detail::channel_end<T, detail::end_kind::receiver>;

 public:
  using value_type = T;
  using iterator = typename channel<T>::iterator;
  using base::base;
  receiver(channel<T>& viewed) noexcept : base(viewed) {}  // NOLINT: as above

  [[nodiscard]] std::optional<T> receive() const { return from("receive").receive(); }
  [[nodiscard]] status receive(std::optional<T>& result) const {
    return from("receive").receive(result);
  }
  [[nodiscard]] status try_receive(std::optional<T>& result) const {
    return from("try_receive").try_receive(result);
  }
  template <class R, class P>
  [[nodiscard]] status receive_for(std::optional<T>& result,
                                   std::chrono::duration<R, P> patience) const {
    return from("receive_for").receive_for(result, patience);
  }
  template <class C, class D>
  [[nodiscard]] status receive_until(std::optional<T>& result,
                                     std::chrono::time_point<C, D> when) const {
    return from("receive_until").receive_until(result, when);
  }
  [[nodiscard]] status receive_some(std::vector<T>& results, std::size_t most) const {
    return from("receive_some").receive_some(results, most);
  }
  iterator begin() const { return from("begin").begin(); }
  std::default_sentinel_t end() const noexcept { return {}; }

 private:
  template <class U>
  friend detail::receive_case<U> receive_from(const receiver<U>& from, std::optional<U>& result,
                                              bool enabled) noexcept;

  channel<T>& from(const char* call) const noexcept { return this->of_call(call); }
};

// The cases of select (include hilo/select.hpp too) for ends: as those of channel.
// With `enabled` false the end may be empty.
template <class T>
detail::receive_case<T> receive_from(const receiver<T>& from, std::optional<T>& result,
                                     bool enabled = true) noexcept {
  return detail::receive_case<T>(from.of_case("receive_from", enabled), result, enabled);
}
template <class T>
detail::send_case<T> send_to(const sender<T>& to, detail::offer<std::type_identity_t<T>>&& value,
                             bool enabled = true) {
  return detail::send_case<T>(to.of_case("send_to", enabled), value, enabled);
}

template <class T>
struct channel_ends {
  sender<T> out;
  receiver<T> in;
};

// Makes a channel and its two ends. Errors: as channel.
template <class T>
channel_ends<T> make_channel(std::size_t capacity = 0) {
  auto shared = std::make_shared<detail::shared_channel<T>>(capacity);
  return {sender<T>(shared), receiver<T>(shared)};
}
template <class T>
channel_ends<T> make_channel(unbounded_t) {
  auto shared = std::make_shared<detail::shared_channel<T>>(unbounded);
  return {sender<T>(shared), receiver<T>(shared)};
}

}  // namespace hilo
