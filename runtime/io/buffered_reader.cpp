#include "hilo/buffered_reader.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "runtime/io/in_parts.hpp"

namespace hilo::io {

// Reads more bytes behind those that are there. There is room for at least one.
result<void> buffered_reader::fill(until when) noexcept {
  std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
  end_ -= begin_;
  begin_ = 0;
  const result<std::size_t> got =
      closed_at_end(read_(from_, buffer_.data() + end_, buffer_.size() - end_, when));
  if (!got) return {got.status(), got.error().value()};
  end_ += *got;
  return {};
}

result<std::string_view> buffered_reader::line(until when) noexcept {
  std::size_t looked = 0;  // bytes from begin_ that have no line end
  while (true) {
    const std::string_view bytes = rest();
    const std::size_t length = bytes.find('\n', looked);
    if (length != std::string_view::npos) {
      begin_ += length + 1;
      std::string_view found = bytes.substr(0, length);
      if (found.ends_with('\r')) found.remove_suffix(1);
      return found;
    }
    if (bytes.size() == buffer_.size()) return {status::failed, EMSGSIZE};
    looked = bytes.size();
    if (const result<void> more = fill(when); !more) return {more.status(), more.error().value()};
  }
}

result<std::string_view> buffered_reader::exactly(std::size_t size, until when) noexcept {
  if (size > buffer_.size()) return {status::failed, EMSGSIZE};
  while (end_ - begin_ < size) {
    if (const result<void> more = fill(when); !more) return {more.status(), more.error().value()};
  }
  const std::string_view found = rest().substr(0, size);
  begin_ += size;
  return found;
}

result<std::size_t> buffered_reader::read(void* buffer, std::size_t size, until when) noexcept {
  const std::size_t kept = std::min(size, end_ - begin_);
  if (kept == 0) return read_(from_, buffer, size, when);
  std::memcpy(buffer, buffer_.data() + begin_, kept);
  begin_ += kept;
  return kept;
}

result<void> buffered_reader::read_exactly(void* buffer, std::size_t size, until when,
                                           std::size_t* done) noexcept {
  return in_parts(size, done, [&](std::size_t from, std::size_t left) {
    return closed_at_end(read(static_cast<char*>(buffer) + from, left, when));
  });
}

}  // namespace hilo::io
