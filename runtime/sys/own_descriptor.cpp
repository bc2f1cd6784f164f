#include "runtime/sys/own_descriptor.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>

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

// Signals that no program chooses to learn of I/O by. 32 and 33 are libc's own.
constexpr std::array marks{SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL,
                           SIGABRT, SIGTRAP, SIGSYS,  32,     33};

// Returns the mark, or 0 if the file cannot be marked. Asks for it as well, because an emulator may
// give another number back.
int put_mark(int fd) noexcept {
  // relaxed: any order of the marks will do
  static constinit std::atomic<unsigned> turn{0};
  const int mark = marks[turn.fetch_add(1, std::memory_order_relaxed) % marks.size()];
  const bool marked =
      call(SYS_fcntl, fd, F_SETSIG, mark) == 0 && call(SYS_fcntl, fd, F_GETSIG) == mark;
  return marked ? mark : 0;
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

own_descriptor::own_descriptor(int fd) noexcept {
  its_.number = move_out_of_the_way(fd);
  struct stat file {};
  if (its_.number < 0 || ::fstat(its_.number, &file) != 0) return;
  its_.device = file.st_dev;
  its_.inode = file.st_ino;
  its_.mark = put_mark(its_.number);
}

own_descriptor::~own_descriptor() {
  if (is_open() && is_ours()) call(SYS_close, its_.number);
}

bool own_descriptor::identity::is_there() const noexcept {
  if (number < 0) return false;
  if (mark != 0) {
    const long found = call(SYS_fcntl, number, F_GETSIG);
    if (found != mark && (found >= 0 || found == -EBADF)) return false;
    if (found == mark) return true;
  }
  struct stat file {};  // the file is not marked, or a filter refuses fcntl
  return ::fstat(number, &file) == 0 && file.st_dev == device && file.st_ino == inode;
}

}  // namespace hilo::sys
