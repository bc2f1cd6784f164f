// Reads lines, and exactly so many bytes, in any order: for protocols whose headers are lines and
// whose bodies have a length, such as HTTP and RESP. Works over sockets, pipes, files, and every
// other type that reads as they do.
//
//   hilo::io::buffered_reader in(stream);
//   const auto header = in.line(5s);                     // "$5"
//   const auto body = in.exactly(5, 5s);                 // "hello"
//   if (!header || !body) return report(...);
//
// It reads more than it was asked for, and keeps the rest for the next call. So read the source
// only through its reader. For lines alone of a socket, hilo::net::line_reader is the same.
#pragma once

#include <concepts>
#include <cstddef>
#include <string>
#include <string_view>

#include "hilo/detail/api.hpp"
#include "hilo/io.hpp"
#include "hilo/result.hpp"

namespace hilo::io {

// A type that bytes can be read from: net::stream, io::pipe_reader, file.
template <class S>
concept readable = requires(S& source, void* buffer, std::size_t size, until when) {
  { source.read(buffer, size, when) } -> std::same_as<result<std::size_t>>;
};

class buffered_reader {
 public:
  // Lines with their ends, and results of exactly(), are at most `longest` bytes long; that is the
  // size of the buffer. The reader uses `from`, which must outlive it. Exceptions: std::bad_alloc.
  template <readable S>
  explicit buffered_reader(S& from, std::size_t longest = 8192)
      : from_(&from),
        read_([](void* source, void* buffer, std::size_t size, until when) noexcept {
          return static_cast<S*>(source)->read(buffer, size, when);
        }),
        buffer_(longest, '\0') {}

  // All calls that read. Park: until the bytes are there. Callable from: any fiber or thread, one
  // at a time. Errors: those of the source's read; closed: the source ended before. After an error
  // or the end of a limit, the bytes that were read are kept, and the call can be made again.

  // The next line without its "\n" or "\r\n"; valid until the next call. closed: there are no more
  // lines; if the source ended within a line, rest() has its beginning. failed with EMSGSIZE: the
  // line is longer than the buffer.
  HILO_API result<std::string_view> line(until = {}) noexcept;

  // The next `size` bytes; valid until the next call. failed with EMSGSIZE: more than the buffer
  // has room for; use read_exactly.
  HILO_API result<std::string_view> exactly(std::size_t size, until = {}) noexcept;

  // Reads the next `size` bytes, as many as you like, into a buffer of the caller. `done`, if
  // given, is set in every case: the number of bytes that are in that buffer.
  HILO_API result<void> read_exactly(void* buffer, std::size_t size, until = {},
                                     std::size_t* done = nullptr) noexcept;

  // Reads the available bytes, at least one, at most `size`; 0: the end. A buffered_reader is
  // itself readable.
  HILO_API result<std::size_t> read(void* buffer, std::size_t size, until = {}) noexcept;

  // The bytes that were read from the source and not yet returned; valid until the next call. Never
  // parks.
  std::string_view rest() const noexcept { return {buffer_.data() + begin_, end_ - begin_}; }

 private:
  using read_call = result<std::size_t> (*)(void*, void*, std::size_t, until) noexcept;

  result<void> fill(until when) noexcept;

  void* from_;
  read_call read_;
  std::string buffer_;
  std::size_t begin_ = 0;  // of the bytes that were not returned
  std::size_t end_ = 0;
};

}  // namespace hilo::io
