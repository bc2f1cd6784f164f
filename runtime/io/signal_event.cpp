#include "hilo/signal_event.hpp"

#include <cerrno>
#include <cstdint>

#include <sys/eventfd.h>

#include "hilo/detail/waiter.hpp"

#include "runtime/base/error.hpp"
#include "runtime/sys/syscall.hpp"

namespace hilo::io {

signal_event::signal_event() : descriptor_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!descriptor_) {
    base::fail(errno, "make an event for signal handlers", "it needs a descriptor: see ulimit -n");
  }
}

// A raw call, which does not change errno. It fails only if 2^64 - 2 are pending, and in that case
// the event is set already.
void signal_event::set() const noexcept {
  const std::uint64_t one = 1;
  (void)sys::call(SYS_write, fd(), &one, sizeof one);
}

status signal_event::wait(until when) noexcept {
  std::uint64_t count = 0;
  return read(fd(), &count, sizeof count, when).status();
}

bool signal_event::try_wait() noexcept {
  std::uint64_t count = 0;
  if (sys::call(SYS_read, fd(), &count, sizeof count) > 0) return true;
  detail::count_eager();
  return false;
}

}  // namespace hilo::io
