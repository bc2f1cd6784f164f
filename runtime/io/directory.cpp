// Directories, read by getdents64(2): libc's readdir(3) has no way to say that a limit came first.
#include "hilo/directory.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <string_view>

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "hilo/limit.hpp"

#include "runtime/io/blocking_call.hpp"
#include "runtime/io/call.hpp"
#include "runtime/io/net/option.hpp"
#include "runtime/sys/syscall.hpp"

namespace hilo {
namespace {

using net::because;
using net::failed;

constexpr std::size_t entries_at_once = std::size_t{32} * 1024;  // some hundred entries; guess

// The kernel's struct linux_dirent64.
struct kernel_entry {
  std::uint64_t inode;
  std::int64_t next_place;
  std::uint16_t length;  // of the whole entry
  std::uint8_t type;
  char name[5];  // ends with a zero; the length says how far it goes
};
static_assert(sizeof(kernel_entry) == 24);
constexpr std::size_t name_at = 19;

file_kind kind_of(std::uint8_t type) noexcept {
  switch (type) {
    case DT_REG:
      return file_kind::regular;
    case DT_DIR:
      return file_kind::directory;
    case DT_LNK:
      return file_kind::link;
    case DT_FIFO:
      return file_kind::pipe;
    case DT_SOCK:
      return file_kind::socket;
    case DT_CHR:
      return file_kind::character_device;
    case DT_BLK:
      return file_kind::block_device;
    default:
      return file_kind::unknown;
  }
}

// Returns the number of bytes that the kernel wrote; 0: there are no more entries.
result<std::size_t> read_entries(int fd, char* into, std::size_t size, io::until when) noexcept {
  const detail::wait_limit limit(when.ns());
  const status end = detail::limit_now();
  if (end != status::ok) return io::refused<std::size_t>({0, end});
  return io::value_of<std::size_t>(io::make_blocking(
      fd, detail::no_deadline, [&] { return sys::call(SYS_getdents64, fd, into, size); }));
}

}  // namespace

result<directory> directory::open(const std::string& path, io::until when) noexcept {
  if (path.find('\0') != path.npos) return failed<directory>(EINVAL);
  const result<int> opened = io::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, when);
  if (!opened) return because<directory>(opened);
  return directory(*opened);
}

result<directory_entry> directory::next(io::until when) noexcept {
  try {
    if (buffer_ == nullptr) buffer_ = std::make_unique<char[]>(entries_at_once);
    while (true) {
      if (at_ == end_) {
        const result<std::size_t> got = read_entries(fd(), buffer_.get(), entries_at_once, when);
        if (!got) return because<directory_entry>(got);
        if (*got == 0) return {status::closed, EBADF};
        at_ = 0;
        end_ = *got;
      }
      const char* const place = buffer_.get() + at_;
      kernel_entry one{};
      std::memcpy(&one, place, sizeof one);
      at_ += one.length;
      const std::string_view name = place + name_at;
      if (name != "." && name != "..") {
        return directory_entry{std::string(name), kind_of(one.type), one.inode};
      }
    }
  } catch (const std::bad_alloc&) {
    return failed<directory_entry>(ENOMEM);
  }
}

result<void> directory::rewind() noexcept {
  if (::lseek(fd(), 0, SEEK_SET) < 0) return failed<void>(errno);
  at_ = end_ = 0;
  return {};
}

result<std::vector<directory_entry>> list_directory(const std::string& path,
                                                    io::until when) noexcept {
  using list = std::vector<directory_entry>;
  result<directory> opened = directory::open(path, when);
  if (!opened) return because<list>(opened);
  try {
    list all;
    result<directory_entry> one = opened->next(when);
    for (; one; one = opened->next(when)) all.push_back(*std::move(one));
    if (one.status() != status::closed) return because<list>(one);
    std::ranges::sort(all, {}, &directory_entry::name);
    return all;
  } catch (const std::bad_alloc&) {
    return failed<list>(ENOMEM);
  }
}

}  // namespace hilo
