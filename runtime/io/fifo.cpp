#include "runtime/io/fifo.hpp"

#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>

#include "hilo/fiber.hpp"
#include "hilo/io.hpp"

#include "runtime/io/vain_tries.hpp"
#include "runtime/sys/syscall.hpp"

namespace hilo::io {
namespace {

bool opens_to_read(const request& one) noexcept {
  return (one.flags & O_ACCMODE) == O_RDONLY;
}

// Whether the flags are those of an open that waits for the other end of a FIFO.
bool may_wait(const request& one) noexcept {
  constexpr int never = O_NONBLOCK | O_PATH | O_DIRECTORY | O_EXCL;
  return one.what == request::call::openat && (one.flags & never) == 0 &&
         (one.flags & O_ACCMODE) != O_RDWR;
}

// Whether the other end of a FIFO that was opened to read is open: 1, 0, or -errno. poll(2) does
// not report a writer that has not written yet. tee(2) does: it returns -EAGAIN if there is a
// writer and 0 if there is none. It takes nothing out of the FIFO.
long has_writer(int fifo) noexcept {
  int scratch[2];
  const long made = sys::call(SYS_pipe2, scratch, O_CLOEXEC | O_NONBLOCK);
  if (made < 0) return made;
  const long copied = sys::call(SYS_tee, fifo, scratch[1], 1, SPLICE_F_NONBLOCK);
  for (const int end : scratch) sys::call(SYS_close, end);
  return copied == -EAGAIN || copied > 0 ? 1 : copied;
}

// Looks once. -EAGAIN: the other end is not open. A reader stays open in `fifo` between looks.
// Otherwise a writer that comes meanwhile would write to a FIFO without a reader.
long look(const request& at_once, int& fifo) noexcept {
  if (fifo < 0) {
    const long opened = perform(at_once);
    if (opened < 0) return opened == -ENXIO && !opens_to_read(at_once) ? -EAGAIN : opened;
    fifo = static_cast<int>(opened);
  }
  if (!opens_to_read(at_once)) return fifo;
  const long there = has_writer(fifo);
  return there > 0 ? fifo : there == 0 ? -EAGAIN : there;
}

}  // namespace

bool opens_fifo(const request& one) noexcept {
  struct stat about {};
  return may_wait(one) &&
         ::fstatat(one.fd, static_cast<const char*>(one.address), &about, 0) == 0 &&
         S_ISFIFO(about.st_mode);
}

outcome finish_open(const request& one, std::int64_t deadline, outcome first) noexcept {
  if (first.why != status::ok || !may_wait(one)) return first;
  if (first.value == -ENXIO) return opens_fifo(one) ? open_fifo(one, deadline) : first;
  if (first.value < 0 || !opens_to_read(one)) return first;
  const int fd = static_cast<int>(first.value);
  struct stat about {};
  const bool is_fifo = ::fstat(fd, &about) == 0 && S_ISFIFO(about.st_mode);
  return is_fifo ? open_fifo(one, deadline, fd) : first;
}

outcome open_fifo(const request& one, std::int64_t deadline, int fifo) noexcept {
  request at_once = one;
  at_once.flags |= O_NONBLOCK;
  vain_tries tries;
  outcome end{0};
  while (end.why == status::ok) {
    end.value = look(at_once, fifo);
    if (end.value == -EINTR) continue;
    if (end.value != -EAGAIN) break;
    if (deadline != detail::no_deadline && deadline <= detail::monotonic_now()) {
      end.why = status::timed_out;
    } else {
      end.why = detail::sleep_until_ns(tries.pause_end(deadline));
    }
  }
  if (end.why == status::ok && end.value >= 0) {
    const long flags = sys::call(SYS_fcntl, fifo, F_GETFL);
    if (flags >= 0) (void)sys::call(SYS_fcntl, fifo, F_SETFL, flags & ~O_NONBLOCK);
  } else if (fifo >= 0) {
    sys::call(SYS_close, fifo);
  }
  return end;
}

}  // namespace hilo::io
