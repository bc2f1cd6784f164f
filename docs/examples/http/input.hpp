// The bytes of a connection that were read, from the beginning of the current request on.
//
//   [begin_ … parsed_) the request's head, which stays      [parsed_ … end_) not yet parsed
//
// The head of a request is in one piece, so that it can be looked at without copying: it is moved
// to the front when there is no room behind it. The block is small, as most requests are, and grows
// when it is filled.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>

namespace http {

class input {
 public:
  // Where the current request begins.
  const char* request() const noexcept { return block_.get() + begin_; }
  // How many of its bytes were parsed, and how many are there.
  std::size_t parsed() const noexcept { return parsed_ - begin_; }
  std::size_t size() const noexcept { return end_ - begin_; }

  std::string_view unparsed() const noexcept { return {block_.get() + parsed_, end_ - parsed_}; }
  void keep_unparsed(std::string_view rest) noexcept { parsed_ = end_ - rest.size(); }

  // Ends the request: the next one begins with what is unparsed, but for line ends, of which some
  // clients send one too many (RFC 9112, 2.2).
  void next_request() noexcept {
    while (parsed_ != end_ && (block_[parsed_] == '\r' || block_[parsed_] == '\n')) ++parsed_;
    begin_ = parsed_;
    if (begin_ == end_) begin_ = parsed_ = end_ = 0;
  }
  // Drops what was parsed of the request beyond its first `head` bytes, if all was.
  void drop_body(std::size_t head) noexcept {
    if (parsed_ == end_) parsed_ = end_ = begin_ + head;
  }

  // Room for at least one byte more, and for `wanted` unless there is less in the block already.
  std::span<char> room(std::size_t wanted = 1) {
    if (begin_ != 0 && size_ - end_ < wanted) move_to(block_.get());
    const std::size_t least = end_ + wanted;
    if (least > size_ || (crowded_ && size_ < most_for_batches)) {
      size_ = std::max({least, 2 * size_, smallest});
      auto larger = std::make_unique_for_overwrite<char[]>(size_);
      move_to(larger.get());
      block_ = std::move(larger);
    }
    crowded_ = false;
    return {block_.get() + end_, size_ - end_};
  }
  // So many bytes were read into it.
  void add(std::size_t bytes) noexcept {
    end_ += bytes;
    crowded_ = end_ == size_;
  }

 private:
  static constexpr std::size_t smallest = 2 * 1024;
  static constexpr std::size_t most_for_batches = 16 * 1024;

  void move_to(char* place) noexcept {
    if (size() != 0) std::memmove(place, request(), size());
    parsed_ -= begin_;
    end_ -= begin_;
    begin_ = 0;
  }

  std::unique_ptr<char[]> block_;
  std::size_t size_ = 0;
  std::size_t begin_ = 0;
  std::size_t parsed_ = 0;
  std::size_t end_ = 0;
  bool crowded_ = false;  // the last read filled it: there is more to come
};

}  // namespace http
