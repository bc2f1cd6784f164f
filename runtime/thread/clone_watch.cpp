// Waiting for children from fibers, whose carriers must go on.
//
// One kernel thread watches all descriptors that fibers wait for, with epoll, and wakes each fiber
// when its descriptor is readable or its deadline has passed. It is there only while somebody
// waits: the first to wait starts it, and it leaves when it has no watch left. Both are decided
// under one lock, so no watch is ever added to a watcher that has gone.
//
//   a fiber                                  the watcher
//   lock                                     wait for events until the nearest deadline
//   link the watch, add it to epoll          lock
//   start the watcher, or poke it            unlink what is ready or late, collect the waiters
//   unlock; park                             unlock; wake them
//
// A watch lies on its fiber's stack and is unlinked by the watcher alone, once; after the wake it
// is gone. The lock is held for some system calls, longest when a thread is started, and never
// across a park. A fiber that meets it taken holds up its carrier for that long.
#include <algorithm>
#include <cerrno>
#include <ctime>
#include <limits>
#include <mutex>

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "hilo/detail/decision.hpp"
#include "hilo/detail/spin_lock.hpp"
#include "hilo/detail/waiter.hpp"

#include "runtime/base/error.hpp"
#include "runtime/sys/syscall.hpp"
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
  const auto left = std::max(deadline - clock::now(), clock::duration::zero());
  const auto whole = duration_cast<seconds>(left);
  return {.tv_sec = static_cast<std::time_t>(whole.count()),
          .tv_nsec = static_cast<long>(duration_cast<nanoseconds>(left - whole).count())};
}

struct watch {
  detail::waiter* who;
  int descriptor;
  until deadline;
  status result = status::ok;
  watch* next = nullptr;
  watch* previous = nullptr;
};

class watcher {
 public:
  status wait(int descriptor, until deadline) {
    watch mine{.who = &detail::current_waiter(), .descriptor = descriptor, .deadline = deadline};
    {
      const std::lock_guard guard(lock_);
      if (!running_) open();
      epoll_event event{.events = EPOLLIN, .data = {.ptr = &mine}};
      if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &event) != 0) {
        fail(errno, "the descriptor cannot be watched, or user.epoll watches are used up");
      }
      link(mine);
      if (!running_) start();
      if (deadline.has_value()) poke();
    }
    return detail::park(*mine.who, "child wait");
  }

 private:
  [[noreturn]] void fail(int error, const char* hint) {
    if (!running_) close();
    base::fail(error, "watch a child for a fiber", hint);
  }

  void open() {
    epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
    poke_ = epoll_ < 0 ? -1 : ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    epoll_event event{.events = EPOLLIN, .data = {.ptr = nullptr}};
    if (poke_ < 0 || ::epoll_ctl(epoll_, EPOLL_CTL_ADD, poke_, &event) != 0) {
      fail(errno, "no descriptor is left: see ulimit -n and fs.file-max");
    }
  }

  void close() noexcept {
    if (epoll_ >= 0) ::close(epoll_);
    if (poke_ >= 0) ::close(poke_);
    epoll_ = poke_ = -1;
  }

  void start() {
    try {
      detach(kernel::start(
          {.name = "hilo children", .stack_size = 128 * 1024},
          [](void* self) { static_cast<watcher*>(self)->run(); }, this));
      running_ = true;
    } catch (...) {
      while (first_ != nullptr) unlink(*first_);
      close();
      throw;
    }
  }

  void poke() noexcept {
    const std::uint64_t one = 1;
    (void)!::write(poke_, &one, sizeof one);
  }

  void link(watch& one) noexcept {
    one.next = first_;
    if (first_ != nullptr) first_->previous = &one;
    first_ = &one;
  }

  void unlink(watch& one) noexcept {
    (one.previous != nullptr ? one.previous->next : first_) = one.next;
    if (one.next != nullptr) one.next->previous = one.previous;
    ::epoll_ctl(epoll_, EPOLL_CTL_DEL, one.descriptor, nullptr);
  }

  // Unlinks a watch that is over and queues it for its wake.
  void finish(watch& one, status result, watch*& done) noexcept {
    unlink(one);
    one.result = result;
    one.next = done;
    done = &one;
  }

  int milliseconds_left() noexcept {
    until nearest;
    for (watch* each = first_; each != nullptr; each = each->next) {
      if (each->deadline.has_value() && (!nearest.has_value() || *each->deadline < *nearest)) {
        nearest = each->deadline;
      }
    }
    if (!nearest.has_value()) return -1;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*nearest - clock::now()).count();
    constexpr std::int64_t most = std::numeric_limits<int>::max();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, most));
  }

  void run() noexcept {
    epoll_event events[64];
    int ready = 0;
    while (true) {
      watch* done = nullptr;
      bool last = false;
      int descriptor = -1;
      int patience = -1;
      {
        const std::lock_guard guard(lock_);
        for (int i = 0; i < ready; ++i) take(events[i], done);
        take_late(done);
        last = first_ == nullptr;
        if (last) {
          close();
          running_ = false;
        }
        descriptor = epoll_;
        patience = milliseconds_left();
      }
      while (done != nullptr) {
        watch& one = *done;
        done = one.next;
        detail::wake(*one.who, one.result);  // from here on `one` is gone
      }
      if (last) return;  // the watcher belongs to the next one now
      ready = ::epoll_wait(descriptor, events, 64, patience);
    }
  }

  void take(const epoll_event& event, watch*& done) noexcept {
    if (event.data.ptr != nullptr) {
      finish(*static_cast<watch*>(event.data.ptr), status::ok, done);
      return;
    }
    std::uint64_t pokes = 0;
    (void)!::read(poke_, &pokes, sizeof pokes);
  }

  void take_late(watch*& done) noexcept {
    const clock::time_point now = clock::now();
    for (watch *each = first_, *next = nullptr; each != nullptr; each = next) {
      next = each->next;
      if (each->deadline.has_value() && *each->deadline <= now) {
        finish(*each, status::timed_out, done);
      }
    }
  }

  detail::spin_lock lock_;
  watch* first_ = nullptr;  // this and all below: under lock_
  bool running_ = false;
  int epoll_ = -1;
  int poke_ = -1;
};

watcher& the_watcher() {
  static auto* one = new watcher;  // its last thread may outlive static destruction
  return *one;
}

// A thread's word is no descriptor: somebody has to sleep on it.
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
  return the_watcher().wait(descriptor, deadline) == status::ok;
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
