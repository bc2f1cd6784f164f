// Closing a descriptor, if close(2) may wait.
//
// The kernel first frees the number and then releases the file, which may take seconds. A socket
// with SO_LINGER waits until its bytes are sent, a terminal until its line has drained, a file of a
// network file system until its data is written there. Meanwhile the number may already mean
// another file. So during the wait close() must not hold the slot's lock, because calls for that
// other file need it. It must not hold the carrier either.
//
//   does not wait    close(2), with the lock
//   waits in the last close of the file (sockets, terminals)
//                    a second descriptor keeps the file; close(2) of the number, with the lock,
//                    does not wait then; the close of the second is made as by hilo::blocking
//   waits in every close (network file systems)
//                    the same without the second, and without the lock. A call that begins for the
//                    number meanwhile is for a file, so it ends by itself.
#include <cerrno>
#include <cstdint>

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <termios.h>
#include <unistd.h>

#include "hilo/blocking.hpp"
#include "hilo/io.hpp"

#include "runtime/base/sanitizers.hpp"
#include "runtime/io/call.hpp"
#include "runtime/io/pending.hpp"
#include "runtime/sys/syscall.hpp"

namespace hilo::io {
namespace {

enum class wait_of_close : std::uint8_t { none, last, every };

// File systems on local disks return at once. File systems in this list write the file back, or ask
// a server, in each close.
bool is_remote(int fd) noexcept {
  struct statfs about {};
  if (::fstatfs(fd, &about) != 0) return false;
  constexpr std::uint32_t smb2 = 0xfe534d42, cifs = 0xff534d42, ceph = 0x00c36400, p9 = 0x01021997;
  constexpr std::uint32_t fuse = 0x65735546, afs = 0x5346414f, coda = 0x73757245;
  switch (static_cast<std::uint32_t>(about.f_type)) {
    case NFS_SUPER_MAGIC:
    case SMB_SUPER_MAGIC:
    case smb2:
    case cifs:
    case ceph:
    case p9:
    case fuse:
    case afs:
    case coda:
      return true;
    default:
      return false;
  }
}

wait_of_close wait_of(int fd) noexcept {
  linger how{};
  socklen_t size = sizeof how;
  const long error = sys::call(SYS_getsockopt, fd, SOL_SOCKET, SO_LINGER, &how, &size);
  if (error == 0) {
    return how.l_onoff != 0 && how.l_linger > 0 ? wait_of_close::last : wait_of_close::none;
  }
  if (error != -ENOTSOCK) return wait_of_close::none;
  struct stat about {};
  if (::fstat(fd, &about) != 0) return wait_of_close::none;
  if (S_ISCHR(about.st_mode)) {
    termios line;
    return sys::call(SYS_ioctl, fd, TCGETS, &line) == 0 ? wait_of_close::last : wait_of_close::none;
  }
  if (S_ISBLK(about.st_mode)) return wait_of_close::last;  // writes cached data back
  return S_ISREG(about.st_mode) && is_remote(fd) ? wait_of_close::every : wait_of_close::none;
}

long close_number(int fd) noexcept {
#if HILO_TSAN
  // The thread sanitizer knows descriptors by libc's calls. If it did not see a close, it would
  // think that two threads use the descriptor when its number comes again.
  const int before = errno;
  const int failed = ::close(fd) == 0 ? 0 : errno;
  errno = before;
  return -failed;
#else
  return sys::call(SYS_close, fd);
#endif
}

long close_and_wait(int fd, wait_of_close how) noexcept {
  const long kept =
      how == wait_of_close::last ? sys::call(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 0) : -EMFILE;
  long result = 0;
  {
    const closing mark(fd);
    if (kept >= 0) result = close_number(fd);
  }
  // If no second descriptor is left, a call that begins now is not refused.
  const int last = kept >= 0 ? static_cast<int>(kept) : fd;
  const long waited = hilo::blocking([last] { return close_number(last); });
  return result < 0 ? result : waited;
}

}  // namespace

result<void> close(int fd) noexcept {
  const wait_of_close how = wait_of(fd);
  if (how != wait_of_close::none) [[unlikely]]
    return value_of<void>({close_and_wait(fd, how)});
  const closing mark(fd);
  return value_of<void>({close_number(fd)});
}

}  // namespace hilo::io
