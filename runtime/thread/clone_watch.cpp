// Waiting for children from fibers, whose carriers must go on. A process has a descriptor, which
// the I/O driver polls like any other. For the word of a thread, a kernel thread sleeps.
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <ctime>

#include <poll.h>

#include "hilo/detail/deadline.hpp"
#include "hilo/detail/decision.hpp"
#include "hilo/detail/spin_lock.hpp"
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

// A thread's word is not a descriptor, so a kernel thread sleeps on it for the fiber. The watch
// lies on the fiber's stack. Releasing lock_ is the kernel thread's last access, and the fiber
// leaves only after it has seen over_ under lock_.
class word_watch {
 public:
  explicit word_watch(const sys::futex_word& word) noexcept : word_(word) {}

  // In the kernel thread: sleeps until the word is cleared, or the fiber no longer waits.
  void watch() noexcept {
    while (!left_.load(std::memory_order_relaxed)) {  // only a hint: leave() wakes again and again
      // acquire: pairs with the kernel's store at the thread's end
      const std::uint32_t value = word_.load(std::memory_order_acquire);
      if (value == 0) break;
      sys::futex_wait(word_, value, sys::futex_scope::shared);
    }
    lock_.lock();
    over_ = true;
    detail::wait_node* const fiber = waiters_.take_all();
    lock_.unlock();
    detail::wake_all(fiber, status::ok);
  }

  // In the fiber: false if the deadline ended the wait, or also a stop request or a limit, unless
  // it is of until_woken_or().
  bool wait(std::int64_t deadline) noexcept {
    lock_.lock();
    if (over_) {
      lock_.unlock();
      return true;
    }
    return detail::wait_in_until(waiters_, lock_, nullptr, deadline, "child wait") == status::ok;
  }

  // Brings the kernel thread back. It may read left_ and only then fall asleep, so one wake is not
  // enough.
  void leave() noexcept {
    left_.store(true, std::memory_order_relaxed);
    do {
      sys::futex_wake_all(&word_, sys::futex_scope::shared);
    } while (!wait(detail::until_woken_or(detail::deadline_after(std::chrono::milliseconds(1)))));
  }

 private:
  const sys::futex_word& word_;
  std::atomic<bool> left_{false};
  detail::spin_lock lock_;
  detail::wait_list waiters_;  // under lock_
  bool over_ = false;          // under lock_
};

std::int64_t end_of_park(clock::time_point deadline) noexcept {
  return std::max<std::int64_t>(0, deadline.time_since_epoch().count());
}

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
  // wait() is promised the child's end. wait_until() tells whether it came.
  const auto watch = [&](io::until when) { return io::poll(descriptor, POLLIN, when); };
  const result<short> ended =
      deadline.has_value() ? watch(*deadline) : shielded([&] { return watch({}); });
  if (ended) return true;
  if (ended.status() == status::timed_out || ended.status() == status::cancelled) return false;
  base::fail(ended.error().value(), "watch a child for a fiber",
             "no descriptor or no memory is left: see ulimit -n and fs.file-max");
}

bool wait_cleared(const sys::futex_word& word, until deadline) {
  if (!in_fiber()) return sleep_cleared(word, deadline);
  // First look at the word: a thread that has ended is found this way, also after the deadline.
  if (word.load(std::memory_order_acquire) == 0) return true;  // acquire: as below
  if (deadline.has_value() && (*deadline <= clock::now() || detail::limit_now() != status::ok)) {
    return false;
  }
  word_watch watched(word);
  detach(kernel::start(
      {.name = "hilo children", .stack_size = 128 * 1024},
      [](void* its) { static_cast<word_watch*>(its)->watch(); }, &watched));
  if (!watched.wait(deadline.has_value() ? end_of_park(*deadline) : detail::until_woken)) {
    watched.leave();
  }
  // acquire: pairs with the kernel's store at the thread's end
  return word.load(std::memory_order_acquire) == 0;
}

}  // namespace hilo::kernel
