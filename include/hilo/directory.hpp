// Directories: their entries, one after the other, also of directories that are too large for
// memory.
//
//   auto folder = hilo::directory::open("/var/log").value();
//   while (auto one = folder.next()) {
//     if (one->kind == hilo::file_kind::regular) std::printf("%s\n", one->name.c_str());
//   }
//
// The order is that of the file system. An entry that is made or removed meanwhile may come or not;
// each other entry comes once. For all entries in the order of their names: list_directory().
// Carriers of hilo::blocking make these calls, because io_uring has none for them. So a limit ends
// only the wait before a call has begun.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "hilo/descriptor.hpp"
#include "hilo/detail/api.hpp"
#include "hilo/io.hpp"
#include "hilo/result.hpp"

namespace hilo {

enum class file_kind : std::uint8_t {
  unknown,  // the file system does not say; io::statx does
  regular,
  directory,
  link,  // a symbolic link, which is not followed
  pipe,
  socket,
  character_device,
  block_device,
};

struct directory_entry {
  std::string name;  // without the directory
  file_kind kind = file_kind::unknown;
  std::uint64_t inode = 0;
};

// An open directory. One fiber at a time reads it.
class directory : public io::descriptor {
 public:
  using descriptor::descriptor;
  directory() noexcept = default;

  // Opens a directory, close-on-exec. Parks: while the kernel opens it. Errors: those of open(2);
  // ENOTDIR; EINVAL: the path has a zero byte in it.
  HILO_API static result<directory> open(const std::string& path, io::until = {}) noexcept;

  directory(directory&& other) noexcept
      : descriptor(std::move(other)),
        buffer_(std::move(other.buffer_)),
        at_(std::exchange(other.at_, 0)),
        end_(std::exchange(other.end_, 0)) {}
  directory& operator=(directory&& other) noexcept {
    descriptor::operator=(std::move(other));
    buffer_ = std::move(other.buffer_);
    at_ = std::exchange(other.at_, 0);
    end_ = std::exchange(other.end_, 0);
    return *this;
  }

  // Returns the next entry, except "." and "..". closed: there are no more. Parks: while the kernel
  // reads the directory, once for many entries. Errors: those of getdents64(2); ENOENT: the
  // directory was removed; ENOMEM.
  HILO_API result<directory_entry> next(io::until = {}) noexcept;
  // Begins again. Never parks. Errors: those of lseek(2).
  HILO_API result<void> rewind() noexcept;

 private:
  std::unique_ptr<char[]> buffer_;
  std::size_t at_ = 0;   // where the next entry begins
  std::size_t end_ = 0;  // of what the kernel wrote
};

// Returns all entries of a directory in the order of their names. Parks: as directory::next.
// Errors: those of both calls of directory.
HILO_API result<std::vector<directory_entry>> list_directory(const std::string& path,
                                                             io::until = {}) noexcept;

}  // namespace hilo
