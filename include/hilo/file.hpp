// Files: open files that have an owner, and calls that read or replace a whole file.
//
//   using hilo::file, hilo::file_access, hilo::file_start;
//   auto log = file::open("log", {.access = file_access::append, .start = file_start::any});
//   if (!log || !log->write_all("started\n", 8) || !log->sync()) return report(...);
//
//   auto settings = hilo::read_file("settings.json", 1 << 20);  // not if it is longer than 1 MiB
//   auto saved = hilo::replace_file("settings.json", changed);  // whole, or not at all
//
// A file is read and written at its position, which moves on, and which all users of the file
// share. The calls with _at use the caller's offset instead: use them if several fibers use one
// file. Results and limits are as in hilo/io.hpp. io_uring makes these calls if it is available and
// supports them; else a carrier of hilo::blocking does, and then a limit does not end a call that
// has begun. close() waits for calls that have begun.
//
// Parks: all calls that take a deadline. Callable from: any fiber or thread; a kernel thread
// blocks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

#include <sys/types.h>

#include "hilo/descriptor.hpp"
#include "hilo/detail/api.hpp"
#include "hilo/io.hpp"
#include "hilo/result.hpp"

namespace hilo {

// The access that a file is opened for.
enum class file_access : std::uint8_t {
  read,
  write,
  read_write,
  append,  // each write goes to its end, also if others write; write_at, too
};

// Whether the file must exist, and whether it starts empty.
enum class file_start : std::uint8_t {
  existing,  // a file that exists; else ENOENT
  any,       // the file that exists, or a new one
  fresh,     // a new one; EEXIST if a file or a link exists
  empty,     // the file that exists, emptied, or a new one; not for file_access::read
};

struct file_options {
  file_access access = file_access::read;
  file_start start = file_start::existing;
  mode_t mode = 0666;  // of a new file, less the bits of umask(2)
};

class file : public io::descriptor {
 public:
  using descriptor::descriptor;

  // Opens a file, close-on-exec. Errors: those of open(2); EINVAL: the path has a zero byte in it,
  // or the options contradict each other.
  HILO_API static result<file> open(const std::string& path, const file_options& options = {},
                                    io::until = {}) noexcept;

  // Reads up to `size` bytes, at least one; 0: the end of the file. Errors: those of read(2).
  result<std::size_t> read(void* buffer, std::size_t size, io::until when = {}) noexcept {
    return io::read(fd(), buffer, size, when);
  }
  result<std::size_t> read_at(std::int64_t offset, void* buffer, std::size_t size,
                              io::until when = {}) noexcept {
    return io::pread(fd(), buffer, size, offset, when);
  }
  // Writes a part of the data, at least one byte. Errors: those of write(2).
  result<std::size_t> write(const void* data, std::size_t size, io::until when = {}) noexcept {
    return io::write(fd(), data, size, when);
  }
  result<std::size_t> write_at(std::int64_t offset, const void* data, std::size_t size,
                               io::until when = {}) noexcept {
    return io::pwrite(fd(), data, size, offset, when);
  }

  // Reads until the buffer is full. closed: the file ended before that. `done`, if given, is set in
  // every case: the number of bytes read.
  HILO_API result<void> read_exactly(void* buffer, std::size_t size, io::until = {},
                                     std::size_t* done = nullptr) noexcept;
  HILO_API result<void> read_exactly_at(std::int64_t offset, void* buffer, std::size_t size,
                                        io::until = {}, std::size_t* done = nullptr) noexcept;
  // Writes all the data; the deadline is for the whole call. `done` as above.
  HILO_API result<void> write_all(const void* data, std::size_t size, io::until = {},
                                  std::size_t* done = nullptr) noexcept;
  result<void> write_all(std::string_view text, io::until when = {},
                         std::size_t* done = nullptr) noexcept {
    return write_all(text.data(), text.size(), when, done);
  }
  // Writes all of several pieces in order, as if they were one, without copying them:
  // write_parts({header, body}). `done` as above, of all bytes. A write of a large sum may mix with
  // those of other callers, as write_all may.
  HILO_API result<void> write_parts(std::span<const std::string_view> parts, io::until = {},
                                    std::size_t* done = nullptr) noexcept;
  result<void> write_parts(std::initializer_list<std::string_view> parts, io::until when = {},
                           std::size_t* done = nullptr) noexcept {
    return write_parts(std::span(parts.begin(), parts.size()), when, done);
  }
  HILO_API result<void> write_all_at(std::int64_t offset, const void* data, std::size_t size,
                                     io::until = {}, std::size_t* done = nullptr) noexcept;

  // Returns the position, and sets it, counted from the beginning. Never parks. Errors: those of
  // lseek(2).
  HILO_API result<std::int64_t> position() const noexcept;
  HILO_API result<void> seek(std::int64_t offset) noexcept;

  // The size in bytes. Errors: those of statx(2).
  HILO_API result<std::int64_t> size(io::until = {}) const noexcept;
  // Sets the size in bytes: drops the bytes beyond it, or adds zeros. Errors: those of
  // ftruncate(2).
  HILO_API result<void> truncate(std::int64_t size, io::until = {}) noexcept;
  // Reserves room on the disk for `size` bytes from `offset` on, and makes the file at least that
  // long. Errors: those of fallocate(2); EOPNOTSUPP: the file system cannot.
  HILO_API result<void> allocate(std::int64_t offset, std::int64_t size, io::until = {}) noexcept;

  // sync returns once the written data and all metadata of the file are on the disk; sync_data,
  // once the data and the metadata needed to read it are (fdatasync(2)). To sync the file's name,
  // sync its directory. Errors: those of fsync(2); the kernel may report a failure only once, and
  // the data may be lost.
  result<void> sync(io::until when = {}) noexcept { return io::fsync(fd(), when); }
  result<void> sync_data(io::until when = {}) noexcept { return io::fdatasync(fd(), when); }
};

// Reads a whole file, also if its size is not known before (as in /proc). Errors: those of open(2)
// and read(2); EFBIG: it is longer than `longest`; ENOMEM.
HILO_API result<std::string> read_file(const std::string& path, std::size_t longest,
                                       io::until = {}) noexcept;

// Gives a path new content in one step: a program that opens the path at any moment, also after a
// crash of the machine, finds either the whole old content or the whole new content. If the call
// returns ok, the new content is on the disk; otherwise the path may have either. A new file gets
// `mode`, less the bits of umask(2). If it replaces a file, it gets the mode of that file, but
// belongs to the caller. A symbolic link is replaced, not followed. The new file is first written
// beside the old one as ".hilo-" and 16 digits; a crash may leave it there. Errors: those of
// open(2), write(2), fsync(2), rename(2).
HILO_API result<void> replace_file(const std::string& path, std::string_view content,
                                   io::until = {}, mode_t mode = 0666) noexcept;

}  // namespace hilo
