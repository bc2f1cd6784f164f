// One end of something that several ends share: copies count. What is shared counts each kind, by
// add_sender, drop_sender, add_receiver and drop_receiver; the last one dropped does what that
// means for those on the other side.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

namespace hilo::detail {

enum class end_kind : std::uint8_t { sender, receiver };

template <class Shared, end_kind Kind>
class counted_end {
 public:
  counted_end() noexcept = default;
  explicit counted_end(std::shared_ptr<Shared> shared) noexcept : shared_(std::move(shared)) {
    if (shared_ == nullptr) return;
    if constexpr (Kind == end_kind::sender) {
      shared_->add_sender();
    } else {
      shared_->add_receiver();
    }
  }
  counted_end(const counted_end& other) noexcept : counted_end(other.shared_) {}
  counted_end(counted_end&& other) noexcept = default;
  counted_end& operator=(counted_end other) noexcept {
    std::swap(shared_, other.shared_);
    return *this;
  }
  ~counted_end() {
    if (shared_ == nullptr) return;
    if constexpr (Kind == end_kind::sender) {
      shared_->drop_sender();
    } else {
      shared_->drop_receiver();
    }
  }

  // Whether it is an end of anything: not when it was moved from.
  explicit operator bool() const noexcept { return shared_ != nullptr; }

 protected:
  const std::shared_ptr<Shared>& shared() const noexcept { return shared_; }

 private:
  std::shared_ptr<Shared> shared_;
};

}  // namespace hilo::detail
