// One call of hilo/io.hpp as data, so that each driver can make it, and so can a thread without a
// driver.
#pragma once

#include <cstddef>
#include <cstdint>

#include <poll.h>

namespace hilo::io {

struct request {
  enum class call : std::uint8_t {
    read,     // address, length
    write,    // address, length
    readv,    // address: iovecs; length: how many
    writev,   // likewise
    pread,    // as read; offset
    pwrite,   // as write; offset
    recv,     // address, length; flags
    send,     // likewise
    recvmsg,  // address: msghdr; flags
    sendmsg,  // likewise
    accept,   // address: sockaddr or null; other: socklen_t; flags
    connect,  // address: sockaddr; length
    poll,     // flags: the events; the result is what is ready; from: the other end, as of splice
    openat,   // fd: the directory; address: path; flags; length: mode
    fsync,    // flags: 1 for the data only
    statx,    // fd: the directory; address: path; flags; length: mask; other: the result
    splice,   // fd, other_offset: into; from, offset: out of; length; flags
  };

  call what;
  int fd = -1;
  const void* address = nullptr;
  std::size_t length = 0;
  int flags = 0;
  void* other = nullptr;
  std::int64_t offset = -1;
  int from = -1;
  std::int64_t other_offset = -1;
};

// Makes the call as the kernel does it. The call may block. Returns -errno.
long perform(const request& one) noexcept;

// Makes the call if it need not wait, otherwise returns -EAGAIN. If the descriptor has no such form
// (a terminal; a pipe or socket before Linux 6.5 by read or write), makes the call once poll says
// ready.
long attempt(const request& one) noexcept;

// Whether the call has to be made again once its descriptor is ready. That is so for -EAGAIN. For a
// connect that was begun before, by this call or another, it is also so for -EALREADY and
// -EINPROGRESS. The connect that follows returns the result of the first.
bool waits(const request& one, long result) noexcept;

// The event that a waiting call waits for, and its descriptor. Also the other descriptor, if the
// call uses two.
struct readiness {
  int fd;
  short events;
  int other = -1;
};
readiness awaited(const request& one) noexcept;

// Whether only the form that blocks exists: calls for a file.
bool only_blocks(const request& one) noexcept;

// Called in the child of a fork: its parent's threads hold no lock here.
void forget_modes() noexcept;

// Makes a read at an offset at once if all its bytes are in the page cache. -EAGAIN: for any other
// call, and for a read that would wait for the disk or find fewer bytes.
long read_cached(const request& one) noexcept;

}  // namespace hilo::io
