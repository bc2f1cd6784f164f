// The ends of a channel: for passing on the right to send, or to receive, and nothing else.
//
//   auto [out, in] = hilo::make_channel<int>(16);
//   auto producer = hilo::spawn([out = std::move(out)]() mutable {
//     for (int i = 0; i < 100; ++i) if (out.send(i) != hilo::status::ok) break;
//   });                       // the last sender goes: the channel is closed
//   for (int n : in) use(n);
//
// Ends made by make_channel share the channel; copies count. When the last sender goes, the channel
// is closed as by close(): what was sent is still received. When the last receiver goes, senders
// get closed. An end made from a channel is a view, which counts nothing and must not outlive it.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <utility>

#include "hilo/channel.hpp"
#include "hilo/detail/counted_end.hpp"

namespace hilo {

namespace detail {

template <class T>
struct shared_channel {
  explicit shared_channel(auto capacity) : what(capacity) {}

  // relaxed: whoever copies an end has one that is counted
  void add_sender() noexcept { senders.fetch_add(1, std::memory_order_relaxed); }
  void add_receiver() noexcept { receivers.fetch_add(1, std::memory_order_relaxed); }
  // (N1) acq_rel: what the others did with the channel comes before its close
  void drop_sender() noexcept {
    if (senders.fetch_sub(1, std::memory_order_acq_rel) == 1) what.close();
  }
  void drop_receiver() noexcept {
    if (receivers.fetch_sub(1, std::memory_order_acq_rel) == 1) what.close();
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

  // Whether it has a channel: not when it was moved from.
  explicit operator bool() const noexcept { return what_ != nullptr; }

  // The channel, for select.
  channel<T>& of() const noexcept { return *what_; }

 private:
  channel<T>* what_ = nullptr;
};

}  // namespace detail

// All calls: as those of channel. An end that was moved from has none.
template <class T>
class sender : public detail::channel_end<T, detail::end_kind::sender> {
  using base = detail::channel_end<T, detail::end_kind::sender>;

 public:
  using base::base;
  sender(channel<T>& viewed) noexcept : base(viewed) {}  // NOLINT: a channel is passed as a sender

  template <class U>
  [[nodiscard]] status send(U&& value) const {
    return this->of().send(std::forward<U>(value));
  }
  template <class U>
  [[nodiscard]] status try_send(U&& value) const {
    return this->of().try_send(std::forward<U>(value));
  }
  template <class R, class P>
  [[nodiscard]] status send_for(T&& value, std::chrono::duration<R, P> patience) const {
    return this->of().send_for(std::move(value), patience);
  }
  void close() const noexcept { this->of().close(); }
};

template <class T>
class receiver : public detail::channel_end<T, detail::end_kind::receiver> {
  using base = detail::channel_end<T, detail::end_kind::receiver>;

 public:
  using base::base;
  receiver(channel<T>& viewed) noexcept : base(viewed) {}  // NOLINT: as above

  std::optional<T> receive() const { return this->of().receive(); }
  [[nodiscard]] status receive(std::optional<T>& result) const {
    return this->of().receive(result);
  }
  [[nodiscard]] status try_receive(std::optional<T>& result) const {
    return this->of().try_receive(result);
  }
  template <class R, class P>
  [[nodiscard]] status receive_for(std::optional<T>& result,
                                   std::chrono::duration<R, P> patience) const {
    return this->of().receive_for(result, patience);
  }
  auto begin() const { return this->of().begin(); }
  auto end() const noexcept { return this->of().end(); }
};

template <class T>
struct channel_ends {
  sender<T> out;
  receiver<T> in;
};

// Makes a channel and its two ends. Errors: as channel.
template <class T, class C = std::size_t>
channel_ends<T> make_channel(C capacity = 0) {
  auto shared = std::make_shared<detail::shared_channel<T>>(capacity);
  return {sender<T>(shared), receiver<T>(shared)};
}

}  // namespace hilo
