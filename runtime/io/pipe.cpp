// Pipes. Reading is a call like any other. Writing is not, because of SIGPIPE.
//
// If a thread writes to a pipe without a reader, the kernel sends SIGPIPE to that thread, and the
// signal kills the process. A thread can block the signal around its write, and take it if it came.
// Then it gets only the error. A ring makes the write at some later time, so the write is not left
// to the driver: the driver only polls, and the fiber itself writes as much as there is room for.
//
// Rejected: to ignore SIGPIPE in the process, because the program decides that, and the programs
// that it starts would inherit it; RWF_NOSIGNAL, which only Linux 6.18 has; a socket pair instead
// of a pipe, because programs cannot open it as /dev/stdin.
#include "hilo/pipe.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdint>
#include <ctime>
#include <new>

#include <unistd.h>

#include "hilo/detail/deadline.hpp"
#include "hilo/detail/decision.hpp"
#include "hilo/detail/waiter.hpp"
#include "hilo/limit.hpp"

#include "runtime/io/call.hpp"
#include "runtime/io/gathered.hpp"
#include "runtime/io/in_parts.hpp"
#include "runtime/io/quiet_write.hpp"
#include "runtime/sched/current.hpp"
#include "runtime/sys/syscall.hpp"

namespace hilo::io {
namespace {

// While a sigpipe_block lives, SIGPIPE is blocked in this thread. Nothing may park meanwhile.
class sigpipe_block {
 public:
  sigpipe_block() noexcept {
    sys::call(SYS_rt_sigprocmask, SIG_BLOCK, &sigpipe, &before_, sizeof sigpipe);
  }
  ~sigpipe_block() {
    sys::call(SYS_rt_sigprocmask, SIG_SETMASK, &before_, nullptr, sizeof before_);
  }
  sigpipe_block(const sigpipe_block&) = delete;
  sigpipe_block& operator=(const sigpipe_block&) = delete;

  // Takes the signal that a write has raised. A SIGPIPE that was already blocked belongs to other
  // code.
  void take() const noexcept {
    if ((before_ & sigpipe) != 0) return;
    const timespec now{};
    sys::call(SYS_rt_sigtimedwait, &sigpipe, nullptr, &now, sizeof sigpipe);
  }

 private:
  static constexpr std::uint64_t sigpipe = std::uint64_t{1} << (SIGPIPE - 1);
  std::uint64_t before_ = 0;
};

}  // namespace

namespace {

long make_quietly(const request& write) noexcept {
  const sigpipe_block guard;
  const long written = attempt(write);
  if (written == -EPIPE) guard.take();
  return written;
}

}  // namespace

long write_quietly(int fd, const void* data, std::size_t size) noexcept {
  return make_quietly({.what = request::call::write, .fd = fd, .address = data, .length = size});
}

result<std::size_t> pipe_reader::read(std::string& text, std::size_t size, until when) noexcept {
  const std::size_t before = text.size();
  try {
    text.resize(before + size);
  } catch (const std::exception&) {
    return {status::failed, ENOMEM};
  }
  const result<std::size_t> got = read(text.data() + before, size, when);
  text.resize(before + (got ? *got : 0));
  return got;
}

namespace {

// Calls write(), which writes at once what there is room for, until it has written something.
template <class F>
result<std::size_t> write_when_ready(int fd, until when, F write) noexcept {
  if (detail::simulating() && sched::current_worker() != nullptr) [[unlikely]]
    detail::refuse_simulated("I/O");
  while (true) {
    // As before a wait: once a limit is reached no call begins.
    const status end = detail::limit_now();
    if (end != status::ok) return refused<std::size_t>({0, end});
    if (when.ns() != detail::no_deadline && when.ns() <= detail::monotonic_now()) {
      return refused<std::size_t>({0, status::timed_out});
    }
    detail::count_eager();
    const long written = write();
    if (written == -EINTR) continue;
    if (written != -EAGAIN) return value_of<std::size_t>({written});
    const result<short> ready = poll(fd, POLLOUT, when);
    if (!ready) return {ready.status(), ready.error().value()};
  }
}

}  // namespace

result<std::size_t> pipe_writer::write(const void* data, std::size_t size, until when) noexcept {
  return write_when_ready(fd(), when, [&] { return write_quietly(fd(), data, size); });
}

result<void> pipe_writer::write_all(const void* data, std::size_t size, until when,
                                    std::size_t* done) noexcept {
  return in_parts(size, done, [&](std::size_t from, std::size_t rest) {
    return write(static_cast<const char*>(data) + from, rest, when);
  });
}

result<void> pipe_writer::write_parts(std::span<const std::string_view> parts, until when,
                                      std::size_t* done) noexcept {
  return gathered(parts, done, [&](const iovec* buffers, std::size_t count) {
    return write_when_ready(fd(), when, [&] {
      return make_quietly(
          {.what = request::call::writev, .fd = fd(), .address = buffers, .length = count});
    });
  });
}

result<pipe_ends> pipe() noexcept {
  int ends[2];
  const long error = sys::call(SYS_pipe2, ends, O_CLOEXEC);
  if (error < 0) return {status::failed, static_cast<int>(-error)};
  return pipe_ends{pipe_reader(ends[0]), pipe_writer(ends[1])};
}

}  // namespace hilo::io
