// What is to be written to a connection: answers are gathered, so that those of a batch of requests
// go out in one write.
#pragma once

#include <charconv>
#include <chrono>
#include <cstddef>
#include <hilo/hilo.hpp>
#include <string>
#include <string_view>

namespace http {

class output {
 public:
  output(hilo::net::stream& to, std::chrono::milliseconds patience) noexcept
      : to_(to), patience_(patience) {}

  output& operator<<(std::string_view text) {
    text_ += text;
    return *this;
  }
  output& operator<<(std::size_t number) { return add(number, 10); }
  output& hexadecimal(std::size_t number) { return add(number, 16); }

  // Whether so much has gathered that it should be written before there is more.
  bool is_full() const noexcept { return text_.size() >= enough; }

  // Writes what has gathered. False: the client is gone, or does not read; nothing more can be
  // written. Parks: while the client does not read.
  bool flush() noexcept {
    if (text_.empty()) return !broken_;
    if (!broken_) broken_ = !to_.write_all(text_.data(), text_.size(), patience_);
    text_.clear();
    if (text_.capacity() > 2 * enough) text_ = {};
    return !broken_;
  }

 private:
  static constexpr std::size_t enough = 32 * 1024;

  output& add(std::size_t number, int base) {
    char digits[20];
    const auto end = std::to_chars(digits, digits + sizeof digits, number, base).ptr;
    text_.append(digits, end);
    return *this;
  }

  hilo::net::stream& to_;
  const std::chrono::milliseconds patience_;
  std::string text_;
  bool broken_ = false;
};

}  // namespace http
