// Files. Calls that io_uring can make use hilo/io.hpp. The rest (ftruncate, fallocate, rename,
// unlink, fchmod) can only block, on either driver.
#include "hilo/file.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <new>
#include <utility>

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hilo/limit.hpp"

#include "runtime/io/blocking_call.hpp"
#include "runtime/io/call.hpp"
#include "runtime/io/gathered.hpp"
#include "runtime/io/in_parts.hpp"
#include "runtime/io/net/option.hpp"
#include "runtime/sys/syscall.hpp"

namespace hilo {
namespace {

using net::because;

constexpr std::size_t first_read = 4096;  // if a file does not know its size; guess

bool is_path(const std::string& text) noexcept {
  return text.find('\0') == text.npos;
}

// The flags of open(2), or -1.
int flags_of(const file_options& options) noexcept {
  int flags = O_CLOEXEC;
  switch (options.access) {
    case file_access::read:
      if (options.start == file_start::empty) return -1;
      flags |= O_RDONLY;
      break;
    case file_access::write:
      flags |= O_WRONLY;
      break;
    case file_access::read_write:
      flags |= O_RDWR;
      break;
    case file_access::append:
      flags |= O_WRONLY | O_APPEND;
      break;
    default:
      return -1;
  }
  switch (options.start) {
    case file_start::existing:
      return flags;
    case file_start::any:
      return flags | O_CREAT;
    case file_start::fresh:
      return flags | O_CREAT | O_EXCL;
    case file_start::empty:
      return flags | O_CREAT | O_TRUNC;
  }
  return -1;
}

// A call for a descriptor that can only block. Once a limit is reached, no call begins.
template <class F>
result<void> block(int fd, io::until when, F call) noexcept {
  const detail::wait_limit limit(when.ns());
  const status end = detail::limit_now();
  if (end != status::ok) return io::refused<void>({0, end});
  while (true) {
    const io::outcome done = io::make_blocking(fd, detail::no_deadline, call);
    if (done.why != status::ok || done.value != -EINTR) return io::value_of<void>(done);
  }
}

}  // namespace

result<file> file::open(const std::string& path, const file_options& options,
                        io::until when) noexcept {
  const int flags = flags_of(options);
  if (flags < 0 || !is_path(path)) return {status::failed, EINVAL};
  const result<int> opened = io::open(path.c_str(), flags, options.mode, when);
  if (!opened) return because<file>(opened);
  return file(*opened);
}

result<void> file::read_exactly(void* buffer, std::size_t size, io::until when,
                                std::size_t* done) noexcept {
  return io::in_parts(size, done, [&](std::size_t from, std::size_t rest) {
    return io::closed_at_end(read(static_cast<char*>(buffer) + from, rest, when));
  });
}
result<void> file::read_exactly_at(std::int64_t offset, void* buffer, std::size_t size,
                                   io::until when, std::size_t* done) noexcept {
  return io::in_parts(size, done, [&](std::size_t from, std::size_t rest) {
    const auto at = offset + static_cast<std::int64_t>(from);
    return io::closed_at_end(read_at(at, static_cast<char*>(buffer) + from, rest, when));
  });
}
result<void> file::write_all(const void* data, std::size_t size, io::until when,
                             std::size_t* done) noexcept {
  return io::in_parts(size, done, [&](std::size_t from, std::size_t rest) {
    return write(static_cast<const char*>(data) + from, rest, when);
  });
}
result<void> file::write_parts(std::span<const std::string_view> parts, io::until when,
                               std::size_t* done) noexcept {
  return io::gathered(parts, done, [&](const iovec* buffers, std::size_t count) {
    return io::writev(fd(), buffers, static_cast<int>(count), when);
  });
}
result<void> file::write_all_at(std::int64_t offset, const void* data, std::size_t size,
                                io::until when, std::size_t* done) noexcept {
  return io::in_parts(size, done, [&](std::size_t from, std::size_t rest) {
    const auto at = offset + static_cast<std::int64_t>(from);
    return write_at(at, static_cast<const char*>(data) + from, rest, when);
  });
}

result<std::int64_t> file::position() const noexcept {
  return io::value_of<std::int64_t>({sys::call(SYS_lseek, fd(), 0, SEEK_CUR)});
}
result<void> file::seek(std::int64_t offset) noexcept {
  return io::value_of<void>({sys::call(SYS_lseek, fd(), offset, SEEK_SET)});
}

result<std::int64_t> file::size(io::until when) const noexcept {
  const auto about = io::statx(fd(), "", AT_EMPTY_PATH, STATX_SIZE, when);
  if (!about) return because<std::int64_t>(about);
  return static_cast<std::int64_t>(about->stx_size);
}
result<void> file::truncate(std::int64_t size, io::until when) noexcept {
  const int its = fd();
  return block(its, when, [=] { return sys::call(SYS_ftruncate, its, size); });
}
result<void> file::allocate(std::int64_t offset, std::int64_t size, io::until when) noexcept {
  const int its = fd();
  return block(its, when, [=] { return sys::call(SYS_fallocate, its, 0, offset, size); });
}

result<std::string> read_file(const std::string& path, std::size_t longest, io::until when) noexcept
    try {
  result<file> its = file::open(path, {}, when);
  if (!its) return because<std::string>(its);
  const result<std::int64_t> size = its->size(when);
  if (!size) return because<std::string>(size);
  std::string text;
  longest = std::min(longest, text.max_size() - 1);
  if (*size > 0 && static_cast<std::size_t>(*size) > longest) return {status::failed, EFBIG};
  // One byte more than expected: the read that fills the rest then also finds the end.
  text.resize(std::min(longest, std::max(first_read, static_cast<std::size_t>(*size))) + 1);
  std::size_t count = 0;
  while (true) {
    const result<std::size_t> got = its->read(text.data() + count, text.size() - count, when);
    if (!got) return because<std::string>(got);
    if (*got == 0) break;
    count += *got;
    if (count > longest) return {status::failed, EFBIG};
    if (count == text.size()) text.resize(std::min(longest + 1, 2 * count));
  }
  text.resize(count);
  return text;
} catch (const std::bad_alloc&) {
  return {status::failed, ENOMEM};
}

namespace {

// A new file in a directory. It is removed unless it was moved to its final name.
class replacement {
 public:
  replacement(int directory, std::string name) noexcept
      : directory_(directory), name_(std::move(name)) {}
  ~replacement() {
    (void)its_.close();
    if (temporary_[0] == '\0') return;
    shielded([&] {
      (void)block(-1, {},
                  [&] { return sys::call(SYS_unlinkat, directory_, temporary_.data(), 0); });
    });
  }
  replacement(const replacement&) = delete;
  replacement& operator=(const replacement&) = delete;

  // Makes the file with the mode of the existing file, if there is one.
  result<void> make(mode_t mode) noexcept {
    const auto there =
        io::statx(directory_, name_.c_str(), AT_SYMLINK_NOFOLLOW, STATX_TYPE | STATX_MODE);
    if (!there && there.error().value() != ENOENT) return because<void>(there);
    const bool replaces = there && S_ISREG(there->stx_mode);
    const result<void> made = make_file(replaces ? 0600 : mode);
    if (!made || !replaces) return made;
    const int its = its_.fd();
    const mode_t same = there->stx_mode & 07777U;
    return block(its, {}, [=] { return sys::call(SYS_fchmod, its, same); });
  }

  result<void> fill(std::string_view content) noexcept {
    const result<void> written = its_.write_all(content.data(), content.size());
    if (!written) return written;
    const result<void> kept = its_.sync();
    return kept ? its_.close() : kept;
  }

  result<void> put_in_place() noexcept {
    const result<void> renamed = block(-1, {}, [&] {
      return sys::call(SYS_renameat2, directory_, temporary_.data(), directory_, name_.c_str(), 0);
    });
    if (renamed) temporary_[0] = '\0';
    return renamed;
  }

 private:
  result<void> make_file(mode_t mode) noexcept {
    while (true) {
      unsigned long long number = 0;
      if (::getrandom(&number, sizeof number, 0) < 0) return {status::failed, errno};
      std::snprintf(temporary_.data(), temporary_.size(), ".hilo-%016llx", number);
      const result<int> opened =
          io::open_at(directory_, temporary_.data(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
      if (opened) its_ = file(*opened);
      if (opened) return {};
      if (opened.error().value() != EEXIST) return because<void>(opened);
    }
  }

  const int directory_;
  const std::string name_;
  std::array<char, 24> temporary_{};  // ".hilo-" and 16 digits; empty: there is none
  file its_;
};

}  // namespace

result<void> replace_file(const std::string& path, std::string_view content, io::until when,
                          mode_t mode) noexcept try {
  const std::size_t slash = path.rfind('/');
  const std::string name = slash == path.npos ? path : path.substr(slash + 1);
  if (name.empty() || !is_path(path)) return {status::failed, EINVAL};
  const std::string in = slash == path.npos ? "." : path.substr(0, slash + 1);
  const detail::wait_limit limit(when.ns());
  const result<int> opened = io::open(in.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (!opened) return because<void>(opened);
  const io::descriptor directory(*opened);
  replacement its(directory.fd(), name);
  result<void> done = its.make(mode);
  if (done) done = its.fill(content);
  if (done) done = its.put_in_place();
  return done ? io::fsync(directory.fd()) : done;
} catch (const std::bad_alloc&) {
  return {status::failed, ENOMEM};
}

}  // namespace hilo
