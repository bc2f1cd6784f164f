// Pipes for fibers: two ends, and each end closes its descriptor.
//
//   auto [out, in] = std::move(hilo::io::pipe().value());
//   hilo::fiber<void> writer = hilo::spawn([&] {
//     (void)in.write_all("one\ntwo\n", 8);
//     (void)in.close();  // after which the reader finds the end
//   });
//   std::string text;
//   while (auto got = out.read(text, 4096)) if (*got == 0) break;
//
// Pipes are for bytes that come from or go to other programs (hilo/process.hpp); within a program
// use a channel (hilo/channel.hpp). Both ends are close-on-exec. The writer never raises SIGPIPE:
// if no reader is left, it fails with EPIPE.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

#include "hilo/descriptor.hpp"
#include "hilo/detail/api.hpp"
#include "hilo/io.hpp"
#include "hilo/result.hpp"

namespace hilo::io {

// The end that is read.
class pipe_reader : public descriptor {
 public:
  using descriptor::descriptor;

  // Reads the available bytes, at least one, at most `size`; 0: no writer is left.
  // Parks: while the pipe is empty. Callable from: any fiber or thread. Errors: those of read(2).
  result<std::size_t> read(void* buffer, std::size_t size, until when = {}) noexcept {
    return io::read(fd(), buffer, size, when);
  }
  // Reads what is there, if there is something; else would_block. Never parks.
  result<std::size_t> try_read(void* buffer, std::size_t size) noexcept {
    return io::try_read(fd(), buffer, size);
  }
  // The same as read, and appends the bytes to `text`. Errors: also ENOMEM.
  HILO_API result<std::size_t> read(std::string& text, std::size_t size, until when = {}) noexcept;
};

// The end that is written.
class pipe_writer : public descriptor {
 public:
  using descriptor::descriptor;

  // Writes a part of the data, at least one byte. Up to PIPE_BUF (4096) bytes are written as a
  // whole or not at all, so they do not mix with bytes of other writers (pipe(7)).
  // Parks: while the pipe is full. Callable from: any fiber or thread. Errors: those of write(2);
  // EPIPE: no reader is left. There is no SIGPIPE, whatever its action is: this kernel thread
  // blocks it during the write, and takes it if it came. Only if the thread had SIGPIPE blocked
  // before, the signal stays pending.
  HILO_API result<std::size_t> write(const void* data, std::size_t size, until when = {}) noexcept;
  // Writes all the data; the deadline is for the whole call. `done`, if given, is set in every
  // case: the number of bytes written.
  HILO_API result<void> write_all(const void* data, std::size_t size, until when = {},
                                  std::size_t* done = nullptr) noexcept;
  result<void> write_all(std::string_view text, until when = {},
                         std::size_t* done = nullptr) noexcept {
    return write_all(text.data(), text.size(), when, done);
  }
  // Writes all of several pieces in order, as if they were one, without copying them:
  // write_parts({header, body}). `done` as above, of all bytes. A write of a large sum may mix with
  // those of other callers, as write_all may.
  HILO_API result<void> write_parts(std::span<const std::string_view> parts, until = {},
                                    std::size_t* done = nullptr) noexcept;
  result<void> write_parts(std::initializer_list<std::string_view> parts, until when = {},
                           std::size_t* done = nullptr) noexcept {
    return write_parts(std::span(parts.begin(), parts.size()), when, done);
  }
};

struct pipe_ends {
  pipe_reader reader;
  pipe_writer writer;
};

// Makes a pipe (pipe2(2)). Its ends are in blocking mode, as other programs expect them.
// Parks: never. Callable from: any fiber or thread. Errors: EMFILE, ENFILE.
HILO_API result<pipe_ends> pipe() noexcept;

}  // namespace hilo::io
