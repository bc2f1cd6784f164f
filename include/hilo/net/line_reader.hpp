// Lines of text, read from a stream.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "hilo/detail/api.hpp"
#include "hilo/io.hpp"
#include "hilo/net/socket.hpp"
#include "hilo/result.hpp"

namespace hilo::net {

// Reads lines from a stream through its own buffer.
class line_reader {
 public:
  // Lines are at most `longest` bytes long, including the line end.
  HILO_API explicit line_reader(stream& from, std::size_t longest = 8192);

  // The next line without its "\n" or "\r\n"; valid until the next call. closed: there are no more
  // lines, or the stream ended within a line. failed with EMSGSIZE: the line is too long; nothing
  // more can be read.
  HILO_API result<std::string_view> next(io::until = {}) noexcept;
  // The bytes that were read beyond the last line.
  std::string_view rest() const noexcept { return {buffer_.data() + begin_, end_ - begin_}; }

 private:
  stream& from_;
  std::string buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace hilo::net
