// The bounded channel that a careful C++ programmer writes with the standard library: one mutex, a
// condition variable for each side, and a wake-up only where somebody can be waiting.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

namespace bench {

template <class T>
class locked_channel {
 public:
  explicit locked_channel(std::size_t capacity) : capacity_(capacity) {}

  void send(T value) {
    std::unique_lock lock(mutex_);
    not_full_.wait(lock, [&] { return values_.size() < capacity_; });
    values_.push_back(std::move(value));
    lock.unlock();
    not_empty_.notify_one();
  }

  // Nothing once the channel is closed and drained.
  std::optional<T> receive() {
    std::unique_lock lock(mutex_);
    not_empty_.wait(lock, [&] { return !values_.empty() || closed_; });
    if (values_.empty()) return std::nullopt;
    std::optional<T> value(std::move(values_.front()));
    values_.pop_front();
    lock.unlock();
    not_full_.notify_one();
    return value;
  }

  void close() {
    {
      const std::scoped_lock lock(mutex_);
      closed_ = true;
    }
    not_empty_.notify_all();
  }

 private:
  const std::size_t capacity_;
  std::mutex mutex_;
  std::condition_variable not_full_;
  std::condition_variable not_empty_;
  std::deque<T> values_;
  bool closed_ = false;
};

}  // namespace bench
