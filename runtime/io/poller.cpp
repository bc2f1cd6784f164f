#include "runtime/io/poller.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <ctime>
#include <mutex>

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "hilo/detail/deadline.hpp"
#include "hilo/kernel/mutex.hpp"

#include "runtime/base/error.hpp"
#include "runtime/io/forked.hpp"
#include "runtime/io/select_poll.hpp"
#include "runtime/sched/worker.hpp"
#include "runtime/sys/syscall.hpp"

namespace hilo::io {
namespace {

constexpr int most_events = 128;  // at a time; guess
constexpr std::uint32_t always = EPOLLERR | EPOLLHUP;

#ifndef SYS_epoll_pwait2
constexpr long SYS_epoll_pwait2 = 441;
#endif

// epoll_wait with nanoseconds, if the kernel has it (5.11).
long wait_for_events(int set, epoll_event* events, std::int64_t timeout) noexcept {
  timespec time{};
  if (timeout > 0) {
    time.tv_sec = static_cast<std::time_t>(timeout / 1'000'000'000);
    time.tv_nsec = static_cast<long>(timeout % 1'000'000'000);
  }
  const long count = sys::call(SYS_epoll_pwait2, set, events, most_events,
                               timeout < 0 ? nullptr : &time, nullptr, 0);
  if (count != -ENOSYS) return count;
  constexpr std::int64_t longest = INT_MAX;
  const std::int64_t ms = timeout < 0 ? -1 : std::min((timeout + 999'999) / 1'000'000, longest);
  return sys::call(SYS_epoll_pwait, set, events, most_events, ms, nullptr, 0);
}

}  // namespace

poller::poller() {
  between_forks guard;
  const auto check = [](long result) {
    if (result >= 0) return static_cast<int>(result);
    base::fail(static_cast<int>(-result), "wait for descriptors by epoll",
               "no descriptor is left: see ulimit -n and fs.file-max");
  };
  set_ = sys::own_descriptor(check(sys::call(SYS_epoll_create1, EPOLL_CLOEXEC)));
  wake_ = sys::own_descriptor(check(sys::call(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK)));
  epoll_event event{.events = EPOLLIN, .data = {.fd = -1}};
  check(sys::call(SYS_epoll_ctl, set_.number(), EPOLL_CTL_ADD, wake_.number(), &event));
  guard.keep(set_.number());
  guard.keep(wake_.number());
}

poller::~poller() {
  close_kept(set_);
  close_kept(wake_);
}

// Under the slot's lock: arms the descriptor for all fibers that wait for it.
int poller::arm(slot& its, int fd, std::uint32_t events) noexcept {
  for (const pending* one = its.first; one != nullptr; one = one->next) {
    if (one->fd == fd && !one->told) events |= one->events;
  }
  epoll_event event{.events = events | EPOLLONESHOT, .data = {.fd = fd}};
  long result = sys::call(SYS_epoll_ctl, set_.number(),
                          its.in_epoll ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);
  if (result == -ENOENT || result == -EEXIST) {
    result = sys::call(SYS_epoll_ctl, set_.number(),
                       result == -ENOENT ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event);
  }
  its.in_epoll = result == 0;
  return static_cast<int>(-result);
}

// Arms the descriptor for `one` and links it. If the descriptor is being closed, `end` says so
// instead.
int poller::enter(slot& its, pending& one, status& end) noexcept {
  const std::scoped_lock guard(its.lock);
  if (its.is_closing(one.fd)) {
    end = status::closed;
    return 0;
  }
  const int error = arm(its, one.fd, one.events);
  if (error == 0) its.link(one);
  return error;
}

int poller::begin(select_poll& one, status& end) noexcept {
  waiting_.fetch_add(1, std::memory_order_relaxed);
  slot* const its = slot_of(one.fd);
  return its != nullptr ? enter(*its, one, end) : ENOMEM;
}

void poller::end(select_poll& one) noexcept {
  if (slot* const its = slot_of(one.fd)) unlink_from(*its, one);
  waiting_.fetch_sub(1, std::memory_order_relaxed);
}

outcome poller::wait_and_try(const request& call, std::int64_t deadline, int& error) noexcept {
  error = 0;
  const readiness what = awaited(call);
  detail::waiter& self = detail::current_waiter();
  status end = detail::limit_wait(self, deadline);
  if (end != status::ok) return {0, end};
  if (deadline != detail::no_deadline && deadline <= 0) return {0, status::timed_out};
  slot* const its = slot_of(what.fd);
  if (its == nullptr || what.fd < 0) {
    error = what.fd < 0 ? EBADF : ENOMEM;
    return {};
  }
  pending one;
  one.who = &self;
  one.fd = what.fd;
  one.events = static_cast<std::uint32_t>(what.events);
  detail::open_wait(self);
  other_end other(what.other, self, end);
  if (end == status::ok) error = enter(*its, one, end);
  if (error != 0 || end != status::ok) {
    other.withdraw();
    detail::close_wait(self);
    return {0, end};
  }
  waiting_.fetch_add(1, std::memory_order_relaxed);
  self.slot = const_cast<request*>(&call);  // for dumps
  detail::show_wait(self);
  end = detail::sit_out(self, deadline, "io");
  waiting_.fetch_sub(1, std::memory_order_relaxed);
  const long result = end == status::ok ? attempt(call) : -EAGAIN;
  unlink_from(*its, one);
  other.leave();
  detail::close_wait(self);
  return {result == -EAGAIN ? -EINTR : result, end};
}

void poller::ready(int fd, std::uint32_t events, pending*& woken) noexcept {
  slot* const its = slot_of(fd);
  if (its == nullptr) return;
  const std::scoped_lock guard(its->lock);
  bool others = false;
  for (pending *one = its->first, *after = nullptr; one != nullptr; one = after) {
    after = one->next;
    if (one->fd != fd || one->several || one->told) continue;
    if ((events & (one->events | always)) == 0) {
      others = true;
      continue;
    }
    // Its fiber unlinks it. So it is still linked, and close() waits until the fiber has tried
    // again.
    if (one->of_select != nullptr) {
      one->who = one->of_select->tell({});
      if (one->who == nullptr) continue;
    } else if (!one->claim()) {
      continue;
    }
    one->told = true;
    one->next_woken = woken;
    woken = one;
  }
  if (others) (void)arm(*its, fd, 0);
}

void poller::renew() noexcept {
  constexpr timespec moment{.tv_sec = 0, .tv_nsec = 1'000'000};
  const auto put = [](long made, int number) {
    if (made < 0) return false;
    // Not if the program has put a file at this number meanwhile.
    const bool free = sys::call(SYS_fcntl, number, F_GETFD) == -EBADF;
    const bool done = free && sys::call(SYS_dup3, made, number, O_CLOEXEC) >= 0;
    sys::call(SYS_close, made);
    return done;
  };
  static constinit kernel::mutex renewing;
  const std::scoped_lock guard(renewing);
  if (sys::call(SYS_fcntl, set_.number(), F_GETFD) >= 0) {
    (void)sys::call(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &moment, nullptr);
    return;  // another caller made it; or it is the program's, and looks get slow
  }
  (void)put(sys::call(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK), wake_.number());
  if (!put(sys::call(SYS_epoll_create1, EPOLL_CLOEXEC), set_.number())) {
    (void)sys::call(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &moment, nullptr);
    return;
  }
  epoll_event event{.events = EPOLLIN, .data = {.fd = -1}};
  (void)sys::call(SYS_epoll_ctl, set_.number(), EPOLL_CTL_ADD, wake_.number(), &event);
  for_each_slot([this](slot& its) {
    const std::scoped_lock lock(its.lock);
    for (const pending* one = its.first; one != nullptr; one = one->next) {
      if (one->events != 0 && !one->told) (void)arm(its, one->fd, 0);
    }
  });
}

bool poller::look(std::int64_t timeout) noexcept {
  epoll_event events[most_events];
  const long count = wait_for_events(set_.number(), events, timeout);
  if (count == -EBADF || count == -EINVAL) [[unlikely]]
    renew();
  looked_at_.store(detail::monotonic_now(), std::memory_order_relaxed);
  pending* woken = nullptr;
  for (long i = count - 1; i >= 0; --i) {  // the first event's fiber is woken first
    if (events[i].data.fd >= 0) {
      ready(events[i].data.fd, events[i].events, woken);
    } else if (timeout != 0) {  // for the worker that has the turn only
      std::uint64_t count_of_wakes = 0;
      (void)sys::call(SYS_read, wake_.number(), &count_of_wakes, sizeof count_of_wakes);
    }
  }
  if (woken == nullptr) return false;
  while (woken != nullptr) {
    pending* const one = woken;
    woken = one->next_woken;
    // From here on `one` may be gone.
    sched::wake_in_turn(*one->who, one->of_select != nullptr ? detail::try_again : status::ok);
  }
  sched::woke_in_turn();
  return true;
}

void poller::wake() noexcept {
  const std::uint64_t one = 1;
  if (wake_.is_ours()) (void)sys::call(SYS_write, wake_.number(), &one, sizeof one);
}

}  // namespace hilo::io
