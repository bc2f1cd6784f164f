// One call of hilo/io.hpp as data, so that each driver, and a thread without one, can make it.
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

// Makes the call as the kernel does it, which may block. Returns -errno.
long perform(const request& one) noexcept;

// Makes it if it need not wait: else -EAGAIN. Where no such form exists for the descriptor (a
// terminal; a pipe or socket before Linux 6.5 by read or write), it is made once poll says ready.
long attempt(const request& one) noexcept;

// Whether the call has to be made again once its descriptor is ready. That is -EAGAIN and, for a
// connect that was begun before, by this call or another one, also -EALREADY and -EINPROGRESS. The
// connect that follows tells how the first one ended.
bool waits(const request& one, long result) noexcept;

// The condition that a call waits for, and the descriptor; and the other descriptor, if the call is
// for two.
struct readiness {
  int fd;
  short events;
  int other = -1;
};
readiness awaited(const request& one) noexcept;

// Whether there is only the form that blocks: calls for a file.
bool only_blocks(const request& one) noexcept;

// In the child of a fork: its parent's threads hold no lock here.
void forget_modes() noexcept;

// A read at an offset whose bytes are all in the page cache: made at once. -EAGAIN: any other call,
// and one that would wait for the disk, or find less.
long read_cached(const request& one) noexcept;

}  // namespace hilo::io
