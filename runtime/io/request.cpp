#include "runtime/io/request.hpp"

#include <cerrno>
#include <memory>
#include <mutex>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "hilo/kernel/mutex.hpp"

#include "runtime/sys/syscall.hpp"

namespace hilo::io {
namespace {

using call = request::call;

constexpr int no_wait = 0x8;  // RWF_NOWAIT, which some libcs do not have

// poll(2) of one descriptor. poll(2) ignores a negative descriptor and reports a bad descriptor as
// an event. Here both are errors.
long poll_one(int fd, short events, timespec* patience) noexcept {
  if (fd < 0) return -EBADF;
  pollfd one{.fd = fd, .events = events, .revents = 0};
  const long count = sys::call(SYS_ppoll, &one, 1, patience, nullptr, 0);
  if (count <= 0) return count == 0 ? -EAGAIN : count;
  return (one.revents & POLLNVAL) != 0 ? -EBADF : one.revents;
}

long ready_now(int fd, short events) noexcept {
  timespec none{};
  return poll_one(fd, events, &none);
}

// The data as a list of buffers. Plain reads and writes have one buffer.
struct buffers {
  explicit buffers(const request& one) noexcept
      : single{const_cast<void*>(one.address), one.length} {
    const bool many = one.what == call::readv || one.what == call::writev;
    first = many ? static_cast<const iovec*>(one.address) : &single;
    count = many ? one.length : 1;
  }
  iovec single;
  const iovec* first;
  std::size_t count;
};

bool is_read(const request& one) noexcept {
  return one.what == call::read || one.what == call::readv || one.what == call::pread;
}

// On 64-bit CPUs the offset is the first of two registers.
long transfer(const request& one, std::int64_t offset, int flags) noexcept {
  const buffers all(one);
  return sys::call(is_read(one) ? SYS_preadv2 : SYS_pwritev2, one.fd, all.first, all.count, offset,
                   0, flags);
}

// For descriptors that have no form of the call that does not wait: terminals, and eventfds to
// write. poll(2) may say ready although the call would still wait for more room. So the call is
// made in non-blocking mode, and afterwards the caller's mode is set again, because other processes
// may use the terminal too. One thread at a time, so that no thread resets the mode during another
// thread's call.
constinit kernel::mutex mode_lock;

long perform_unblocked(const request& one) noexcept {
  const std::scoped_lock guard(mode_lock);
  const long flags = sys::call(SYS_fcntl, one.fd, F_GETFL);
  if (flags < 0) return flags;
  if ((flags & O_NONBLOCK) != 0) return perform(one);
  const long set = sys::call(SYS_fcntl, one.fd, F_SETFL, flags | O_NONBLOCK);
  if (set < 0) return set;
  const long result = perform(one);
  (void)sys::call(SYS_fcntl, one.fd, F_SETFL, flags);
  return result;
}

long transfer_at_once(const request& one) noexcept {
  const long result = transfer(one, one.offset, no_wait);
  if (result != -EOPNOTSUPP && result != -ENOSYS && result != -EINVAL) return result;
  if (one.offset < 0) {
    const buffers all(one);
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(all.first);
    message.msg_iovlen = all.count;
    const long sent =
        sys::call(is_read(one) ? SYS_recvmsg : SYS_sendmsg, one.fd, &message, MSG_DONTWAIT);
    if (sent != -ENOTSOCK) return sent;
  }
  const long ready = ready_now(one.fd, awaited(one).events);
  return ready < 0 ? ready : perform_unblocked(one);
}

// accept and connect have a form that does not wait only through the mode of the socket.
long unblock(int fd) noexcept {
  const long flags = sys::call(SYS_fcntl, fd, F_GETFL);
  if (flags < 0 || (flags & O_NONBLOCK) != 0) return flags;
  return sys::call(SYS_fcntl, fd, F_SETFL, flags | O_NONBLOCK);
}

long connect_at_once(const request& one) noexcept {
  const long unblocked = unblock(one.fd);
  if (unblocked < 0) return unblocked;
  const long result = perform(one);
  return waits(one, result) ? -EAGAIN : result;
}

bool is_socket(int fd) noexcept {
  struct stat about {};
  return ::fstat(fd, &about) == 0 && S_ISSOCK(about.st_mode);
}

// SPLICE_F_NONBLOCK applies to the pipe only: a socket waits unless its mode forbids it.
long splice_at_once(request one) noexcept {
  for (const int fd : {one.from, one.fd}) {
    const long flags = sys::call(SYS_fcntl, fd, F_GETFL);
    if (flags < 0) return flags;
    if ((flags & O_NONBLOCK) == 0 && is_socket(fd)) (void)unblock(fd);
  }
  one.flags |= SPLICE_F_NONBLOCK;
  return perform(one);
}

// Returns the end that is not ready.
readiness awaited_by_splice(const request& one) noexcept {
  if (ready_now(one.from, POLLIN) == -EAGAIN) return {one.from, POLLIN, one.fd};
  return {one.fd, POLLOUT, one.from};
}

}  // namespace

long perform(const request& one) noexcept {
  switch (one.what) {
    case call::read:
      return sys::call(SYS_read, one.fd, one.address, one.length);
    case call::write:
      return sys::call(SYS_write, one.fd, one.address, one.length);
    case call::readv:
      return sys::call(SYS_readv, one.fd, one.address, one.length);
    case call::writev:
      return sys::call(SYS_writev, one.fd, one.address, one.length);
    case call::pread:
      return sys::call(SYS_pread64, one.fd, one.address, one.length, one.offset);
    case call::pwrite:
      return sys::call(SYS_pwrite64, one.fd, one.address, one.length, one.offset);
    case call::recv:
      return sys::call(SYS_recvfrom, one.fd, one.address, one.length, one.flags, nullptr, nullptr);
    case call::send:
      return sys::call(SYS_sendto, one.fd, one.address, one.length, one.flags, nullptr, 0);
    case call::recvmsg:
      return sys::call(SYS_recvmsg, one.fd, one.address, one.flags);
    case call::sendmsg:
      return sys::call(SYS_sendmsg, one.fd, one.address, one.flags);
    case call::accept:
      return sys::call(SYS_accept4, one.fd, one.address, one.other, one.flags);
    case call::connect:
      return sys::call(SYS_connect, one.fd, one.address, one.length);
    case call::poll:
      return poll_one(one.fd, static_cast<short>(one.flags), nullptr);
    case call::openat:
      return sys::call(SYS_openat, one.fd, one.address, one.flags, one.length);
    case call::fsync:
      return sys::call(one.flags != 0 ? SYS_fdatasync : SYS_fsync, one.fd);
    case call::statx:
      return sys::call(SYS_statx, one.fd, one.address, one.flags, one.length, one.other);
    case call::splice: {
      std::int64_t from = one.offset;
      std::int64_t into = one.other_offset;
      return sys::call(SYS_splice, one.from, from < 0 ? nullptr : &from, one.fd,
                       into < 0 ? nullptr : &into, one.length, one.flags);
    }
  }
  return -EINVAL;
}

long attempt(const request& one) noexcept {
  request now = one;
  switch (one.what) {
    case call::recv:
    case call::send:
    case call::recvmsg:
    case call::sendmsg:
      now.flags |= MSG_DONTWAIT;
      return perform(now);
    case call::accept: {
      const long unblocked = unblock(one.fd);
      return unblocked < 0 ? unblocked : perform(one);
    }
    case call::connect:
      return connect_at_once(one);
    case call::poll:
      return ready_now(one.fd, static_cast<short>(one.flags));
    case call::splice:
      return splice_at_once(one);
    case call::read:
    case call::write:
    case call::readv:
    case call::writev:
    case call::pread:
    case call::pwrite:
      return transfer_at_once(one);
    default:
      return -EAGAIN;
  }
}

bool waits(const request& one, long result) noexcept {
  switch (one.what) {
    case call::connect:
      return result == -EAGAIN || result == -EALREADY || result == -EINPROGRESS;
    case call::poll:    // has waited already
    case call::openat:  // they wait for no descriptor: -EAGAIN goes to the caller
    case call::fsync:
    case call::statx:
      return false;
    default:
      return result == -EAGAIN;
  }
}

readiness awaited(const request& one) noexcept {
  switch (one.what) {
    case call::write:
    case call::writev:
    case call::pwrite:
    case call::send:
    case call::sendmsg:
    case call::connect:
      return {one.fd, POLLOUT};
    case call::poll:
      return {one.fd, static_cast<short>(one.flags), one.from};
    case call::splice:
      return awaited_by_splice(one);
    default:
      return {one.fd, POLLIN};
  }
}

void forget_modes() noexcept {
  std::construct_at(&mode_lock);
}

bool only_blocks(const request& one) noexcept {
  switch (one.what) {
    case call::openat:
    case call::fsync:
    case call::statx:
    case call::pread:
    case call::pwrite:
      return true;
    case call::read:
    case call::write:
    case call::readv:
    case call::writev: {
      struct stat about {};
      return ::fstat(one.fd, &about) == 0 && (S_ISREG(about.st_mode) || S_ISBLK(about.st_mode));
    }
    default:
      return false;
  }
}

long read_cached(const request& one) noexcept {
  if (one.what != call::pread) return -EAGAIN;
  const long flags = sys::call(SYS_fcntl, one.fd, F_GETFL);
  if (flags < 0 || (flags & O_DIRECT) != 0) return -EAGAIN;  // past the cache: waits for the disk
  const long result = transfer(one, one.offset, no_wait);
  return result > 0 && static_cast<std::size_t>(result) == one.length ? result : -EAGAIN;
}

}  // namespace hilo::io
