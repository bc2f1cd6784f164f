#include "runtime/sys/own_descriptor.hpp"

#include <algorithm>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/sys/syscall.hpp"

namespace hilo::sys {
namespace {

// The kernel keeps a table with an entry for each number up to the highest, of 8 bytes and some
// bits. So hilo's descriptors go no higher than this: 8 KiB of table (guess). A program with the
// usual limit of 1,024 hardly reaches this number itself.
constexpr rlim_t high = 1000;
constexpr rlim_t rooms = 512;  // below the limit

struct identity {
  std::uint64_t device;
  std::uint64_t inode;
};

bool identify(int fd, identity& its) noexcept {
  struct stat file {};
  if (::fstat(fd, &file) != 0) return false;
  its = {.device = file.st_dev, .inode = file.st_ino};
  return true;
}

}  // namespace

int move_out_of_the_way(int fd) noexcept {
  rlimit limit{};
  if (fd < 0 || ::getrlimit(RLIMIT_NOFILE, &limit) != 0) return fd;
  // As high as the limit allows, so that lower numbers stay free. With the usual limits that is
  // 1,000 or half of the limit.
  const rlim_t from = std::min(high, limit.rlim_cur - std::min(limit.rlim_cur / 2, rooms));
  if (static_cast<rlim_t>(fd) >= from) return fd;
  const long moved = call(SYS_fcntl, fd, F_DUPFD_CLOEXEC, static_cast<int>(from));
  if (moved < 0) return fd;
  call(SYS_close, fd);
  return static_cast<int>(moved);
}

own_descriptor::own_descriptor(int fd) noexcept : number_(move_out_of_the_way(fd)) {
  identity its{};
  if (number_ < 0 || !identify(number_, its)) return;
  device_ = its.device;
  inode_ = its.inode;
}

own_descriptor::~own_descriptor() {
  if (is_open() && is_ours()) call(SYS_close, number_);
}

bool own_descriptor::is_ours() const noexcept {
  identity its{};
  return number_ >= 0 && identify(number_, its) && its.device == device_ && its.inode == inode_;
}

}  // namespace hilo::sys
