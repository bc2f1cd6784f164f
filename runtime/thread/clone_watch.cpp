// Waiting for children from fibers, whose carriers must go on. A process has a descriptor, which
// the I/O driver polls like any other. For the word of a thread, a kernel thread sleeps.
#include <algorithm>
#include <cerrno>
#include <ctime>

#include <poll.h>

#include "hilo/detail/decision.hpp"
#include "hilo/detail/waiter.hpp"
#include "hilo/io.hpp"
#include "hilo/limit.hpp"

#include "runtime/base/error.hpp"
#include "runtime/thread/clone_child.hpp"
#include "runtime/thread/thread.hpp"

namespace hilo::kernel {
namespace {

using clock = std::chrono::steady_clock;

bool in_fiber() noexcept {
  if (detail::current_waiter().kind != detail::waiter_kind::fiber) return false;
  if (detail::simulating()) detail::refuse_simulated("waiting for a kernel thread or process");
  return true;
}

timespec until_then(clock::time_point deadline) noexcept {
  using namespace std::chrono;
  const nanoseconds left(std::max<std::int64_t>(
      0, detail::nanoseconds_between(clock::now().time_since_epoch(),
                                     std::max(deadline, clock::time_point()).time_since_epoch())));
  const auto whole = duration_cast<seconds>(left);
  return {.tv_sec = static_cast<std::time_t>(whole.count()),
          .tv_nsec = static_cast<long>(duration_cast<nanoseconds>(left - whole).count())};
}

// A thread's word is not a descriptor: a kernel thread has to sleep on it.
struct aside {
  const sys::futex_word& word;
  until deadline;
  detail::waiter& who;
};

}  // namespace

bool sleep_readable(int descriptor, until deadline) noexcept {
  pollfd one{.fd = descriptor, .events = POLLIN, .revents = 0};
  while (true) {
    timespec left{};
    if (deadline.has_value()) left = until_then(*deadline);
    const int ready = ::ppoll(&one, 1, deadline.has_value() ? &left : nullptr, nullptr);
    if (ready > 0) return true;
    if (ready == 0) return false;
  }
}

bool sleep_cleared(const sys::futex_word& word, until deadline) noexcept {
  // acquire: pairs with the kernel's store at the thread's end
  while (const std::uint32_t value = word.load(std::memory_order_acquire)) {
    if (!deadline.has_value()) {
      sys::futex_wait(word, value, sys::futex_scope::shared);
    } else if (sys::futex_wait_until(word, value, *deadline, sys::futex_scope::shared) ==
               -ETIMEDOUT) {
      return word.load(std::memory_order_acquire) == 0;
    }
  }
  return true;
}

bool wait_readable(int descriptor, until deadline) {
  if (!in_fiber()) return sleep_readable(descriptor, deadline);
  // First look without the driver: a child that has ended is found this way, also after the
  // deadline.
  if (sleep_readable(descriptor, clock::time_point())) return true;
  // Only the deadline may end the wait early, because the caller is promised the child's end.
  const result<short> ended = shielded([&] {
    return io::poll(descriptor, POLLIN, deadline.has_value() ? io::until(*deadline) : io::until());
  });
  if (ended) return true;
  if (ended.status() == status::timed_out) return false;
  base::fail(ended.error().value(), "watch a child for a fiber",
             "no descriptor or no memory is left: see ulimit -n and fs.file-max");
}

bool wait_cleared(const sys::futex_word& word, until deadline) {
  if (!in_fiber()) return sleep_cleared(word, deadline);
  aside job{word, deadline, detail::current_waiter()};
  detach(kernel::start(
      {.name = "hilo children", .stack_size = 128 * 1024},
      [](void* argument) {
        auto& mine = *static_cast<aside*>(argument);
        const bool cleared = sleep_cleared(mine.word, mine.deadline);
        detail::wake(mine.who, cleared ? status::ok : status::timed_out);
      },
      &job));
  return detail::park(job.who, "child wait") == status::ok;
}

}  // namespace hilo::kernel
