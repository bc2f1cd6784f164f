// Calls of kernel threads that do not run a fiber. If no limit may end the call: the plain system
// call. Otherwise: a ppoll for the descriptor and for an eventfd that stop requests write to, and
// then the form of the call that does not wait.
#include <algorithm>
#include <cerrno>
#include <ctime>
#include <functional>
#include <optional>
#include <stop_token>
#include <vector>

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "hilo/detail/deadline.hpp"
#include "hilo/limit.hpp"

#include "runtime/io/call.hpp"
#include "runtime/io/fifo.hpp"
#include "runtime/io/vain_tries.hpp"
#include "runtime/sys/syscall.hpp"

namespace hilo::io {
namespace {

// Readable once a stop is requested through any token that limits the thread.
class stop_descriptor {
 public:
  explicit stop_descriptor(const detail::waiter& self) {
    bool open = true;  // false behind a shield
    for (const detail::wait_limit* one = self.limits; open && one != nullptr; one = one->outer) {
      if (one->token != nullptr) tokens_.push_back(*one->token);
      open = one->shield != one->depth;
    }
    if (tokens_.empty()) return;
    fd_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd_ < 0) return;
    callbacks_ = std::vector<std::optional<callback>>(tokens_.size());
    for (std::size_t i = 0; i < tokens_.size(); ++i) callbacks_[i].emplace(tokens_[i], writer{fd_});
  }
  ~stop_descriptor() {
    callbacks_.clear();  // waits for a callback that is writing
    if (fd_ >= 0) ::close(fd_);
  }
  stop_descriptor(const stop_descriptor&) = delete;
  stop_descriptor& operator=(const stop_descriptor&) = delete;

  bool missing() const noexcept { return fd_ < 0 && !tokens_.empty(); }
  int fd() const noexcept { return fd_; }

 private:
  struct writer {
    int fd;
    void operator()() const noexcept {
      const std::uint64_t one = 1;
      (void)sys::call(SYS_write, fd, &one, sizeof one);
    }
  };
  using callback = std::stop_callback<writer>;

  std::vector<std::stop_token> tokens_;
  std::vector<std::optional<callback>> callbacks_;
  int fd_ = -1;
};

// Waits until the descriptor is ready: > 0. 0: time is up or a stop was requested. Otherwise
// -errno.
long wait_ready(const readiness& what, int stop, std::int64_t deadline) noexcept {
  pollfd both[2] = {{.fd = what.fd, .events = what.events, .revents = 0},
                    {.fd = stop, .events = POLLIN, .revents = 0}};
  timespec left{};
  if (deadline != detail::no_deadline) {
    const std::int64_t ns = std::max<std::int64_t>(0, deadline - detail::monotonic_now());
    left.tv_sec = static_cast<std::time_t>(ns / 1'000'000'000);
    left.tv_nsec = static_cast<long>(ns % 1'000'000'000);
  }
  const long count = sys::call(SYS_ppoll, both, stop < 0 ? 1 : 2,
                               deadline == detail::no_deadline ? nullptr : &left, nullptr, 0);
  return count <= 0 ? count : both[0].revents != 0 ? 1 : 0;
}

outcome make_limited(const request& what, detail::waiter& self, std::int64_t deadline) try {
  const stop_descriptor stop(self);
  if (stop.missing()) return {-EMFILE};
  vain_tries tries;
  while (true) {
    std::int64_t nearest = deadline;
    const status end = detail::limit_wait(self, nearest);
    if (end != status::ok) return {0, end};
    if (nearest <= 0 || nearest <= detail::monotonic_now()) return {0, status::timed_out};
    if (opens_fifo(what)) return open_fifo(what, nearest);
    const long result = only_blocks(what) ? perform(what) : attempt(what);
    if (result == -EINTR) continue;
    if (result != -EAGAIN || only_blocks(what)) return {result};
    const long ready = wait_ready(awaited(what), stop.fd(), nearest);
    if (ready < 0 && ready != -EINTR) return {ready};
    if (tries.add()) (void)detail::sleep_until_ns(tries.pause_end(nearest));
  }
} catch (const std::bad_alloc&) {
  return {-ENOMEM};
}

}  // namespace

outcome make_in_thread(const request& what, std::int64_t deadline) noexcept {
  detail::waiter& self = detail::current_waiter();
  if (deadline != detail::no_deadline || self.limits != nullptr) {
    return make_limited(what, self, deadline);
  }
  vain_tries tries;
  while (true) {
    const long result = perform(what);
    if (result == -EINTR) continue;
    if (!waits(what, result)) return {result};
    const long ready = wait_ready(awaited(what), -1, detail::no_deadline);
    if (ready < 0 && ready != -EINTR) return {ready};
    if (tries.add()) (void)detail::sleep_until_ns(tries.pause_end(detail::no_deadline));
  }
}

}  // namespace hilo::io
