// Lines of text, read from a stream.
#pragma once

#include <cstddef>
#include <string_view>

#include "hilo/buffered_reader.hpp"
#include "hilo/io.hpp"
#include "hilo/net/socket.hpp"
#include "hilo/result.hpp"

namespace hilo::net {

// Reads lines from a stream through its own buffer. To read other parts between the lines, use
// io::buffered_reader (hilo/buffered_reader.hpp).
class line_reader {
 public:
  // Lines are at most `longest` bytes long, including the line end.
  explicit line_reader(stream& from, std::size_t longest = 8192) : reader_(from, longest) {}

  // The next line without its "\n" or "\r\n"; valid until the next call. closed: there are no more
  // lines, or the stream ended within a line. failed with EMSGSIZE: the line is too long; no
  // further line can be read.
  result<std::string_view> next(io::until when = {}) noexcept { return reader_.line(when); }
  // The bytes that were read beyond the last line.
  std::string_view rest() const noexcept { return reader_.rest(); }

 private:
  io::buffered_reader reader_;
};

}  // namespace hilo::net
