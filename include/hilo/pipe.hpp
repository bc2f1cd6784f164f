// Pipes for fibers: two ends, each closed by its owner.
//
//   auto [out, in] = std::move(hilo::io::pipe().value());
//   hilo::fiber<void> writer = hilo::spawn([&] {
//     (void)in.write_all("one\ntwo\n", 8);
//     (void)in.close();  // after which the reader finds the end
//   });
//   std::string text;
//   while (auto got = out.read(text, 4096)) if (*got == 0) break;
//
// Within a program a channel (hilo/channel.hpp) does better: pipes are for bytes that come from or
// go to other programs (hilo/process.hpp). Both ends are closed in programs that are executed. The
// writer never raises SIGPIPE: where nobody reads any more it fails with EPIPE.
#pragma once

#include <cstddef>
#include <string>

#include "hilo/descriptor.hpp"
#include "hilo/detail/api.hpp"
#include "hilo/io.hpp"
#include "hilo/result.hpp"

namespace hilo::io {

// The end that is read.
class pipe_reader : public descriptor {
 public:
  using descriptor::descriptor;

  // Reads what is there, up to `size` bytes, at least one; 0: no writer is left.
  // Parks: while the pipe is empty. Callable from: any fiber or thread. Errors: those of read(2).
  result<std::size_t> read(void* buffer, std::size_t size, until when = {}) noexcept {
    return io::read(fd(), buffer, size, when);
  }
  // The same, appended to `text`, which keeps what it has. Errors: ENOMEM besides.
  HILO_API result<std::size_t> read(std::string& text, std::size_t size, until when = {}) noexcept;
};

// The end that is written.
class pipe_writer : public descriptor {
 public:
  using descriptor::descriptor;

  // Writes some of it, at least one byte; up to PIPE_BUF (4096) bytes are written as a whole or not
  // at all, so they do not mix with those of other writers (pipe(7)).
  // Parks: while the pipe is full. Callable from: any fiber or thread. Errors: those of write(2);
  // EPIPE: no reader is left, and there is no SIGPIPE, whatever its action is: it is blocked in
  // this kernel thread for the moment of the write, and taken if it came. Only a thread that had it
  // blocked before keeps it, pending.
  HILO_API result<std::size_t> write(const void* data, std::size_t size, until when = {}) noexcept;
  // Writes all of it; the deadline is for the whole. However it ends, `done`, if given, is how many
  // bytes were written.
  HILO_API result<void> write_all(const void* data, std::size_t size, until when = {},
                                  std::size_t* done = nullptr) noexcept;
};

struct pipe_ends {
  pipe_reader reader;
  pipe_writer writer;
};

// Makes a pipe (pipe2(2)). Its ends are in blocking mode, fit to be another program's, too.
// Parks: never. Callable from: any fiber or thread. Errors: EMFILE, ENFILE.
HILO_API result<pipe_ends> pipe() noexcept;

}  // namespace hilo::io
