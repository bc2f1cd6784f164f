#include "runtime/io/poller.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <ctime>
#include <exception>
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

constexpr const char* purpose = "wait for descriptors by epoll";

}  // namespace

poller::poller() {
  make_set();
  make_wake();
  watch_wake();
}

void poller::make_set() {
  between_forks guard;
  set_.take(sys::call(SYS_epoll_create1, EPOLL_CLOEXEC), purpose, guard);
}

void poller::make_wake() {
  between_forks guard;
  wake_.take(sys::call(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK), purpose, guard);
}

void poller::watch_wake() noexcept {
  epoll_event event{.events = EPOLLIN, .data = {.fd = -1}};
  (void)sys::call(SYS_epoll_ctl, set_.number(), EPOLL_CTL_ADD, wake_.number(), &event);
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
  if (its == nullptr) return ENOMEM;
  const int error = enter(*its, one, end);
  return renewed_after(error) ? enter(*its, one, end) : error;
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
    if (renewed_after(error)) {
      error = 0;
      return {-EINTR};  // the caller makes it again
    }
    return {0, end};
  }
  waiting_.fetch_add(1, std::memory_order_relaxed);
  if (sched::worker* const here = sched::current_worker()) {
    here->io_submitted.add();
    here->trace_io(sched::trace_what::submits, &here->running(), what.fd, &call.what);
  }
  self.slot = const_cast<request*>(&call);  // for dumps
  detail::show_wait(self);
  end = detail::sit_out(self, deadline, "io");
  waiting_.fetch_sub(1, std::memory_order_relaxed);
  if (sched::worker* const here = sched::current_worker()) {
    here->io_completed.add();
    here->trace_io(sched::trace_what::completes, &here->running(), what.fd);
  }
  const long result = end == status::ok ? attempt(call) : -EAGAIN;
  unlink_from(*its, one);
  other.leave();
  detail::close_wait(self);
  return {result == -EAGAIN ? -EINTR : result, end};
}

// Under the slot's lock. Its fiber unlinks it. So it is still linked, and close() waits until the
// fiber has tried again.
void poller::tell(pending& one, pending*& woken) noexcept {
  if (one.of_select != nullptr) {
    one.who = one.of_select->tell({});
    if (one.who == nullptr) return;
  } else if (!one.claim()) {
    return;
  }
  one.told = true;
  one.next_woken = woken;
  woken = &one;
}

void poller::wake_all_of(pending* woken) noexcept {
  while (woken != nullptr) {
    pending* const one = woken;
    woken = one->next_woken;
    // From here on `one` may be gone.
    sched::wake_in_turn(*one->who, one->of_select != nullptr ? detail::try_again : status::ok);
  }
  sched::woke_in_turn();
}

void poller::ready(int fd, std::uint32_t events, pending*& woken) noexcept {
  slot* const its = slot_of(fd);
  if (its == nullptr) return;
  const std::scoped_lock guard(its->lock);
  bool others = false;
  for (pending *one = its->first, *after = nullptr; one != nullptr; one = after) {
    after = one->next;
    if (one->fd != fd || one->several || one->told) continue;
    if ((events & (one->events | always)) != 0) {
      tell(*one, woken);
    } else {
      others = true;
    }
  }
  if (others) (void)arm(*its, fd, 0);
}

bool poller::wake_everybody() noexcept {
  pending* woken = nullptr;
  for_each_slot([&](slot& its) {
    const std::scoped_lock lock(its.lock);
    for (pending *one = its.first, *after = nullptr; one != nullptr; one = after) {
      after = one->next;
      if (one->events != 0 && !one->told) tell(*one, woken);
    }
  });
  if (woken == nullptr) return false;
  wake_all_of(woken);
  return true;
}

bool poller::renewed_after(int error) noexcept {
  if ((error != EBADF && error != EINVAL) || set_.is_ours()) [[likely]]
    return false;
  (void)renew();
  return set_.is_ours();
}

bool poller::renew() noexcept {
  constexpr timespec moment{.tv_sec = 0, .tv_nsec = 1'000'000};
  static constinit kernel::mutex renewing;
  const std::scoped_lock guard(renewing);
  const bool keeps_set = set_.is_ours();
  const bool keeps_wake = wake_.is_ours();
  if (keeps_set && keeps_wake) {
    // Another caller made them. Or the kernel refuses our set, and looks get slow.
    (void)sys::call(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &moment, nullptr);
  }
  try {
    if (!keeps_wake) make_wake();
    if (!keeps_set) make_set();
  } catch (const std::exception&) {
    // No descriptor or no memory is left now: the next look tries again.
    (void)sys::call(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &moment, nullptr);
    return false;
  }
  if (!keeps_set || !keeps_wake) watch_wake();
  if (keeps_set) return false;
  sleep_.interrupt();
  return wake_everybody();
}

// The turn's holder counts its sleep as begun before it reads the set's number. So a renewal that
// it does not see interrupts the sleep.
bool poller::look(std::int64_t timeout) noexcept {
  epoll_event events[most_events];
  bool woke = false;
  if (timeout != 0 && sleep_.lost()) [[unlikely]] {
    woke = renew();
    if (set_.is_ours() && wake_.is_ours()) sleep_.found();
    timeout = 0;  // (Z5)
  }
  if (timeout != 0) timeout = sleep_.begin(timeout);
  const long count = wait_for_events(set_.number(), events, timeout);
  if (timeout != 0) sleep_.end();
  if (count == -EBADF || count == -EINVAL) [[unlikely]]
    woke = renew() || woke;
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
  if (woken == nullptr) return woke;
  wake_all_of(woken);
  return true;
}

void poller::wake() noexcept {
  const std::uint64_t one = 1;
  if (wake_.is_ours()) {
    (void)sys::call(SYS_write, wake_.number(), &one, sizeof one);
  } else {
    sleep_.interrupt();
  }
}

}  // namespace hilo::io
