// Files, opened with an owner, and whole ones.
//
//   using hilo::file, hilo::file_access, hilo::file_start;
//   auto log = file::open("log", {.access = file_access::append, .start = file_start::any});
//   if (!log || !log->write_all("started\n", 8) || !log->sync()) return report(...);
//
//   auto settings = hilo::read_file("settings.json", 1 << 20);  // not if it is longer than 1 MiB
//   auto saved = hilo::replace_file("settings.json", changed);  // whole, or not at all
//
// A file is read and written at its position, which moves on and which all its users share; with
// _at, where the caller says: several fibers that use one file at a time do that. Results and
// limits are as in hilo/io.hpp. io_uring, where it is, does what it can of this, and else a carrier
// of hilo::blocking: then a limit ends no call that has begun. close() waits for what has begun.
//
// Parks: all that take a deadline. Callable from: any fiber or thread; the latter blocks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <sys/types.h>

#include "hilo/descriptor.hpp"
#include "hilo/detail/api.hpp"
#include "hilo/io.hpp"
#include "hilo/result.hpp"

namespace hilo {

// What a file is opened for.
enum class file_access : std::uint8_t {
  read,
  write,
  read_write,
  append,  // written at its end, whoever else writes there; write_at, too
};

// What there is to begin with.
enum class file_start : std::uint8_t {
  existing,  // a file that is there; else ENOENT
  any,       // the file that is there, or a new one
  fresh,     // a new one; EEXIST if there is one, or a link
  empty,     // the file that is there, emptied, or a new one; not for access::read
};

struct file_options {
  file_access access = file_access::read;
  file_start start = file_start::existing;
  mode_t mode = 0666;  // of a new one, less what umask(2) takes
};

class file : public io::descriptor {
 public:
  using descriptor::descriptor;

  // Opens a file; it is closed in programs that are executed. Errors: those of open(2); EINVAL: the
  // path has a zero byte in it, or the options contradict each other.
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
  // Writes some of it, at least one byte. Errors: those of write(2).
  result<std::size_t> write(const void* data, std::size_t size, io::until when = {}) noexcept {
    return io::write(fd(), data, size, when);
  }
  result<std::size_t> write_at(std::int64_t offset, const void* data, std::size_t size,
                               io::until when = {}) noexcept {
    return io::pwrite(fd(), data, size, offset, when);
  }

  // Reads until the buffer is full. closed: the file ended before that. However it ends, `done`, if
  // given, is how many bytes were read.
  HILO_API result<void> read_exactly(void* buffer, std::size_t size, io::until = {},
                                     std::size_t* done = nullptr) noexcept;
  HILO_API result<void> read_exactly_at(std::int64_t offset, void* buffer, std::size_t size,
                                        io::until = {}, std::size_t* done = nullptr) noexcept;
  // Writes all of it; the deadline is for the whole. `done` as above.
  HILO_API result<void> write_all(const void* data, std::size_t size, io::until = {},
                                  std::size_t* done = nullptr) noexcept;
  HILO_API result<void> write_all_at(std::int64_t offset, const void* data, std::size_t size,
                                     io::until = {}, std::size_t* done = nullptr) noexcept;

  // The position, and another one, counted from the beginning. Never parks. Errors: those of
  // lseek(2).
  HILO_API result<std::int64_t> position() const noexcept;
  HILO_API result<void> seek(std::int64_t offset) noexcept;

  // How many bytes it has. Errors: those of statx(2).
  HILO_API result<std::int64_t> size(io::until = {}) const noexcept;
  // Gives it so many bytes: drops what is beyond, or adds zeros. Errors: those of ftruncate(2).
  HILO_API result<void> truncate(std::int64_t size, io::until = {}) noexcept;
  // Makes sure that there is room on the disk from `offset` on, and that the file is so long.
  // Errors: those of fallocate(2); EOPNOTSUPP: the file system cannot.
  HILO_API result<void> allocate(std::int64_t offset, std::int64_t size, io::until = {}) noexcept;

  // Returns once what was written is on the disk, and all that is known of the file; or only what
  // is needed to read it (fdatasync(2)). Its name is its directory's to sync. Errors: those of
  // fsync(2); what they tell of may be told once, and be lost.
  result<void> sync(io::until when = {}) noexcept { return io::fsync(fd(), when); }
  result<void> sync_data(io::until when = {}) noexcept { return io::fdatasync(fd(), when); }
};

// Reads a whole file, which need not know its size (as in /proc). Errors: those of open(2) and
// read(2); EFBIG: it is longer than `longest`; ENOMEM.
HILO_API result<std::string> read_file(const std::string& path, std::size_t longest,
                                       io::until = {}) noexcept;

// Gives a path new content at once: whoever opens it, at whatever moment, also after a crash of the
// machine, finds the old or the new, whole. When it returns ok, the new is on the disk; otherwise
// which of the two the path has is open. A new file gets `mode`, less what umask(2) takes; one that
// replaces another gets that one's mode, but belongs to the caller. A symbolic link is replaced,
// not followed. The new file is written beside the old as ".hilo-" and 16 digits, and left there by
// a crash. Errors: those of open(2), write(2), fsync(2), rename(2).
HILO_API result<void> replace_file(const std::string& path, std::string_view content,
                                   io::until = {}, mode_t mode = 0666) noexcept;

}  // namespace hilo
