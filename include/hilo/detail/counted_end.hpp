// One end of an object that several ends share: copies count. The shared object counts each kind of
// end, by add_sender, drop_sender, add_receiver and drop_receiver. Dropping the last end of a kind
// has a meaning for the other kind. An end is empty if it was made by its default constructor or
// was moved from. A call on an empty end is a misuse that ends the program with a message.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "hilo/detail/api.hpp"

namespace hilo::detail {

// Ends the program: `call`, such as "receive", was made on an empty end, such as a "receiver".
[[noreturn, gnu::cold]] HILO_API void refuse_empty_end(const char* end, const char* call) noexcept;

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

  // Tells whether the end has a shared object: false if it is empty.
  explicit operator bool() const noexcept { return shared_ != nullptr; }

 protected:
  // The object that the ends share. Aborts if this end is empty, and names `end` and `call`.
  Shared& of_call(const char* end, const char* call) const noexcept {
    if (shared_ == nullptr) [[unlikely]]
      refuse_empty_end(end, call);
    return *shared_;
  }
  // The same for a case of select; null if the end is empty and the case does not take part.
  Shared* of_case(const char* end, const char* call, bool enabled) const noexcept {
    return enabled ? &of_call(end, call) : shared_.get();
  }
  const std::shared_ptr<Shared>& shared() const noexcept { return shared_; }

 private:
  std::shared_ptr<Shared> shared_;
};

}  // namespace hilo::detail
