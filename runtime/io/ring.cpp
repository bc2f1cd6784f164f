#include "runtime/io/ring.hpp"

#include <algorithm>
#include <cerrno>
#include <mutex>
#include <new>
#include <system_error>
#include <utility>

#include <sys/eventfd.h>
#include <unistd.h>

#include "hilo/detail/deadline.hpp"
#include "hilo/kernel/mutex.hpp"

#include "runtime/base/check.hpp"
#include "runtime/base/cpu.hpp"
#include "runtime/base/error.hpp"
#include "runtime/io/call.hpp"
#include "runtime/io/forked.hpp"
#include "runtime/io/select_poll.hpp"
#include "runtime/sched/worker.hpp"
#include "runtime/sys/syscall.hpp"

namespace hilo::io {
namespace {

using call = request::call;

constexpr unsigned submissions = 256;  // queued at most before they are handed to the kernel

// Completions taken at a time. This is a few less than the number of fibers that run until the next
// look. So the data fetched for them here is still in the cache when they run, and the other
// completions keep their order.
constexpr unsigned taken_at_once = 60;
constexpr unsigned all_of_them = ~0U;
// The memory that a fiber touches when it goes on. Around its call, in which it is: from the frames
// of the switch to the frames of the function that made the call. And above its frames: its
// function's captured values and its control block.
constexpr std::size_t frames_below = 192;
constexpr std::size_t frames_above = 896;
constexpr std::size_t captured = 128;
constexpr std::size_t block_in_use = 192;

constexpr int restart = 512;  // ERESTARTSYS, which the ring passes on if a splice was ended

constexpr std::uint64_t no_call = 0;    // user_data of cancellations
constexpr std::uint64_t wake_call = 1;  // of the poll of wake_

void prepare(io_uring_sqe& entry, const request& one) noexcept {
  const auto bytes = static_cast<unsigned>(std::min<std::size_t>(one.length, 0x7ffff000));
  void* const address = const_cast<void*>(one.address);
  switch (one.what) {
    case call::read:
    case call::pread:
      return io_uring_prep_read(&entry, one.fd, address, bytes, static_cast<__u64>(one.offset));
    case call::write:
    case call::pwrite:
      return io_uring_prep_write(&entry, one.fd, address, bytes, static_cast<__u64>(one.offset));
    case call::readv:
      return io_uring_prep_readv(&entry, one.fd, static_cast<const iovec*>(address),
                                 static_cast<unsigned>(one.length), static_cast<__u64>(one.offset));
    case call::writev:
      return io_uring_prep_writev(&entry, one.fd, static_cast<const iovec*>(address),
                                  static_cast<unsigned>(one.length),
                                  static_cast<__u64>(one.offset));
    case call::recv:
      return io_uring_prep_recv(&entry, one.fd, address, bytes, one.flags);
    case call::send:
      return io_uring_prep_send(&entry, one.fd, address, bytes, one.flags);
    case call::recvmsg:
      return io_uring_prep_recvmsg(&entry, one.fd, static_cast<msghdr*>(address),
                                   static_cast<unsigned>(one.flags));
    case call::sendmsg:
      return io_uring_prep_sendmsg(&entry, one.fd, static_cast<const msghdr*>(address),
                                   static_cast<unsigned>(one.flags));
    case call::accept:
      return io_uring_prep_accept(&entry, one.fd, static_cast<sockaddr*>(address),
                                  static_cast<socklen_t*>(one.other), one.flags);
    case call::connect:
      return io_uring_prep_connect(&entry, one.fd, static_cast<const sockaddr*>(address),
                                   static_cast<socklen_t>(one.length));
    case call::poll:
      return io_uring_prep_poll_add(&entry, one.fd, static_cast<unsigned>(one.flags));
    case call::openat:
      return io_uring_prep_openat(&entry, one.fd, static_cast<const char*>(address), one.flags,
                                  static_cast<mode_t>(one.length));
    case call::fsync:
      return io_uring_prep_fsync(&entry, one.fd, one.flags != 0 ? IORING_FSYNC_DATASYNC : 0);
    case call::statx:
      return io_uring_prep_statx(&entry, one.fd, static_cast<const char*>(address), one.flags,
                                 static_cast<unsigned>(one.length),
                                 static_cast<struct statx*>(one.other));
    case call::splice:
      return io_uring_prep_splice(&entry, one.from, one.offset, one.fd, one.other_offset, bytes,
                                  static_cast<unsigned>(one.flags));
  }
}

}  // namespace

std::unique_ptr<port> open_ring(sched::worker& whose) {
  return std::make_unique<ring_port>(whose);
}

ring_port::ring_port(sched::worker& whose) : owner_(whose) {
  make_wake();
  open();
}

void ring_port::make_wake() {
  between_forks guard;
  wake_.take(sys::call(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK),
             "make an io_uring for a carrier", guard);
}

// The program closed the eventfd.
void ring_port::renew_wake() noexcept try {
  if (!wake_.is_ours()) {
    make_wake();
    watch_wake();
  }
  sleep_.found();
} catch (const std::exception&) {
  // No descriptor or no memory is left now. Sleeps stay short.
}

// Called on the carrier's thread: the ring takes calls from that thread only.
void ring_port::open() {
  const unsigned flags = ring_supported().flags;
  {
    between_forks guard;
    const int result = set_up(ring_, submissions, flags);
    if (result < 0) {
      base::fail(-result, "make an io_uring for a carrier",
                 "descriptors: see ulimit -n; locked memory: see ulimit -l");
    }
    number_ = sys::own_descriptor(ring_.ring_fd);
    ring_.ring_fd = ring_.enter_ring_fd = number_.number();
    try {
      guard.keep(number_);
    } catch (...) {
      ring_.ring_fd = number_.release();
      ::io_uring_queue_exit(&ring_);
      throw;
    }
    open_ = true;
    (void)::io_uring_ring_dontfork(&ring_);
  }
  // Saves the kernel a look-up, and survives if the program closes the number. The ring also works
  // without it.
  (void)::io_uring_register_ring_fd(&ring_);
  watch_wake();
}

void ring_port::close() noexcept {
  if (!open_) return;
  open_ = false;
  between_forks guard;
  guard.release(number_);
  // The number may belong to the program by now.
  const bool ours = number_.is_ours();
  (void)number_.release();
  if (!ours) ring_.ring_fd = -1;
  ::io_uring_queue_exit(&ring_);
}

io_uring_sqe* ring_port::entry() noexcept {
  io_uring_sqe* one = ::io_uring_get_sqe(&ring_);
  while (one == nullptr) {
    // The queue is full. EBUSY and EAGAIN: the kernel has no memory, or completions wait to be
    // collected.
    if (::io_uring_submit(&ring_) < 0) (void)collect(all_of_them);
    one = ::io_uring_get_sqe(&ring_);
  }
  return one;
}

void ring_port::watch_wake() noexcept {
  io_uring_sqe* const one = entry();
  io_uring_prep_poll_multishot(one, wake_.number(), POLLIN);
  one->user_data = wake_call;
}

int ring_port::start(const request& what, pending& one) noexcept {
  if (!open_) [[unlikely]] {
    try {
      open();  // this is another carrier than before
    } catch (const std::system_error& error) {
      return error.code().value();
    } catch (const std::bad_alloc&) {
      return ENOMEM;
    }
  }
  io_uring_sqe* const its = entry();
  prepare(*its, what);
  its->user_data = reinterpret_cast<std::uint64_t>(&one);
  ++in_flight_;
  owner_.io_submitted.add();
  owner_.trace_io(sched::trace_what::submits, &owner_.running(), what.fd, &what.what);
  return 0;
}

void ring_port::cancel(const pending& one) noexcept {
  io_uring_sqe* const its = entry();
  io_uring_prep_cancel64(its, reinterpret_cast<std::uint64_t>(&one), 0);
  its->user_data = no_call;
  its->flags |= IOSQE_CQE_SKIP_SUCCESS;
}

// Returns true if the call is left in the mail. The caller then retracts it.
bool ring_port::ask(pending& one) noexcept {
  if (sched::current_worker() == &owner_) {
    cancel(one);
    return false;
  }
  {
    const std::scoped_lock guard(mail_lock_);
    one.asked = true;
    one.next_asked = mail_;
    mail_ = &one;
    mail_size_.store(mail_size_.load(std::memory_order_relaxed) + 1,
                     std::memory_order_seq_cst);  // (P1)
  }
  owner_.summon();
  return true;
}

void ring_port::retract(pending& one) noexcept {
  const std::scoped_lock guard(mail_lock_);
  if (!one.asked) return;
  pending** at = &mail_;
  while (*at != &one) at = &(*at)->next_asked;
  *at = one.next_asked;
  mail_size_.store(mail_size_.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
}

void ring_port::abandon(pending& one) noexcept {
  const bool mailed = ask(one);
  if (one.phase.exchange(pending::abandoned, std::memory_order_acq_rel) != pending::complete) {
    (void)detail::park(*one.who, "io cancellation");  // (A1)
  }
  if (mailed) retract(one);
}

int ring_port::enter(const request& what, pending& one, status& end) noexcept {
  one.fd = what.fd;
  slot* const its = what.fd >= 0 ? slot_of(what.fd) : nullptr;
  if (its == nullptr && what.fd >= 0) return ENOMEM;
  if (its != nullptr) {
    const std::scoped_lock guard(its->lock);
    if (its->is_closing(what.fd)) {
      end = status::closed;
      return 0;
    }
    its->link(one);
  }
  const int error = start(what, one);
  if (error != 0 && its != nullptr) unlink_from(*its, one);
  return error;
}

bool ring_port::hurry(pending& one) noexcept {
  hurried_ = &one;
  (void)::io_uring_submit_and_get_events(&ring_);
  (void)collect(all_of_them);
  return std::exchange(hurried_, nullptr) == nullptr;
}

outcome ring_port::make(const request& what, std::int64_t deadline) noexcept {
  detail::waiter& self = detail::current_waiter();
  status end = detail::limit_wait(self, deadline);
  if (end != status::ok) return {0, end};
  if (deadline != detail::no_deadline && deadline <= 0) return {0, status::timed_out};
  pending one;
  one.who = &self;
  detail::open_wait(self);
  other_end other(what.from, self, end);
  const int error = end == status::ok ? enter(what, one, end) : 0;
  if (error != 0 || end != status::ok) {
    other.withdraw();
    detail::close_wait(self);
    return {-error, end};
  }
  // Accepts connections together that came together. If each waited for its turn among the worker's
  // other calls, the last of a thousand would wait for a thousand turns.
  if (what.what == call::accept && hurry(one)) {
    detail::close_wait(self);
    detail::count_eager();
    return {one.result};
  }
  self.slot = const_cast<request*>(&what);  // for dumps
  detail::show_wait(self);
  end = detail::sit_out(self, deadline, "io");
  if (end != status::ok) abandon(one);
  other.leave();
  detail::close_wait(self);
  return {one.result, end != status::ok && (one.result == -ECANCELED || one.result == -EINTR)
                          ? end
                          : status::ok};
}

void ring_port::begin(select_poll& one) noexcept {
  status end = status::ok;
  one.in_flight = true;  // no other thread knows of it yet
  const int error = enter({.what = call::poll, .fd = one.fd, .flags = one.wanted()}, one, end);
  if (error == 0 && end == status::ok) return;
  one.fail(end == status::ok ? status::failed : end, end == status::ok ? error : EBADF);
}

void ring_port::give_up(select_poll& one) noexcept {
  if (one.is_in_flight()) one.mailed = ask(one);
}

void ring_port::end(select_poll& one) noexcept {
  one.outlast_flight();
  if (one.mailed) retract(one);
}

void ring_port::read_mail() noexcept {
  const std::scoped_lock guard(mail_lock_);
  for (; mail_ != nullptr; mail_ = mail_->next_asked) {
    mail_->asked = false;
    cancel(*mail_);
  }
  mail_size_.store(0, std::memory_order_relaxed);
}

// A call is over. Returns true if its fiber was made runnable.
bool ring_port::finish(pending& one, std::int32_t result) noexcept {
  --in_flight_;
  owner_.io_completed.add();
  // The call of a select has no waiter here.
  owner_.trace_io(sched::trace_what::completes,
                  one.who != nullptr ? &sched::fiber::of(*one.who) : nullptr, one.fd);
  one.result = result == -restart ? -EINTR : result;
  if (one.fd >= 0) unlink_from(*slot_of(one.fd), one);
  if (one.of_select != nullptr) {
    const bool known = result != -ECANCELED && result != -EINTR;
    detail::waiter* const who =
        one.of_select->land(known ? discovery(value_of<short>({result})) : discovery());
    if (who == nullptr) return false;  // from here on `one` may be gone
    sched::wake_in_turn(*who, detail::try_again);
    return true;
  }
  if (!one.claim()) {
    if (one.phase.exchange(pending::complete, std::memory_order_acq_rel) != pending::abandoned) {
      return false;  // (A2) from here on `one` may be gone
    }
  }
  if (&one == hurried_) {
    hurried_ = nullptr;
    return false;
  }
  sched::wake_in_turn(*one.who, status::ok);
  return true;
}

template <class F>
void ring_port::for_completions(unsigned most, F&& f) noexcept {
  unsigned head = 0;
  io_uring_cqe* done = nullptr;
  io_uring_for_each_cqe(&ring_, head, done) {
    if (most-- == 0) break;
    f(*done);
  }
}

// Begins to bring into the cache the memory that finish(), and the fibers after it, will touch.
void ring_port::fetch(unsigned most) noexcept {
  for_completions(most, [](const io_uring_cqe& done) {
    if (done.user_data <= wake_call) return;
    base::fetch(reinterpret_cast<const char*>(done.user_data) - frames_below,
                frames_below + frames_above);
  });
  for_completions(most, [](const io_uring_cqe& done) {
    if (done.user_data <= wake_call) return;
    const auto& one = *reinterpret_cast<const pending*>(done.user_data);
    if (one.fd >= 0) base::fetch(slot_of(one.fd), sizeof(slot));
    if (one.who == nullptr) return;  // a select's
    base::fetch(reinterpret_cast<const char*>(&sched::fiber::of(*one.who)) - captured,
                captured + block_in_use);
  });
}

// Takes completions, the oldest first. Returns true if a fiber was made runnable.
bool ring_port::collect(unsigned most) noexcept {
  bool woke = false;
  unsigned taken = 0;
  bool unwatched = false;
  fetch(most);
  for_completions(most, [&](const io_uring_cqe& done) {
    ++taken;
    if (done.user_data == no_call) return;
    if (done.user_data == wake_call) {
      unwatched = unwatched || (done.flags & IORING_CQE_F_MORE) == 0;
      return;
    }
    woke = finish(*reinterpret_cast<pending*>(done.user_data), done.res) || woke;
  });
  if (taken == 0) return false;
  ::io_uring_cq_advance(&ring_, taken);
  if (unwatched) watch_wake();
  if (woke) sched::woke_in_turn();
  return woke;
}

bool ring_port::poll() noexcept {
  if (!open_) return false;
  if (has_mail()) read_mail();
  // relaxed would do: the kernel sets it from this thread's own interrupts, or sets it again
  const unsigned flags = io_uring_smp_load_acquire(ring_.sq.kflags);
  if (::io_uring_sq_ready(&ring_) != 0) {
    (void)::io_uring_submit_and_get_events(&ring_);
  } else if ((flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0) {
    (void)::io_uring_get_events(&ring_);
  }
  return collect(taken_at_once);
}

bool ring_port::wait(std::int64_t until) noexcept {
  if (has_mail()) read_mail();
  std::int64_t ns = -1;
  if (sleep_.lost()) [[unlikely]] {
    renew_wake();
    ns = 0;  // (Z5)
  } else if (until != sched::timer_wheel::never) {
    ns = std::max<std::int64_t>(0, until - detail::monotonic_now());
  }
  ns = sleep_.begin(ns);
  __kernel_timespec left{.tv_sec = ns / 1'000'000'000, .tv_nsec = ns % 1'000'000'000};
  io_uring_cqe* first = nullptr;
  (void)::io_uring_submit_and_wait_timeout(&ring_, &first, 1, ns < 0 ? nullptr : &left, nullptr);
  sleep_.end();
  return collect(taken_at_once);
}

void ring_port::wake() noexcept {
  const std::uint64_t one = 1;
  if (wake_.is_ours()) {
    (void)sys::call(SYS_write, wake_.number(), &one, sizeof one);
  } else {
    sleep_.interrupt();
  }
}

void ring_port::evacuate() noexcept {
  if (in_flight_ == 0) return;
  // The kernel may miss one request for a call that one of its threads is just about to begin.
  __kernel_timespec patience{.tv_sec = 0, .tv_nsec = 10'000'000};
  while (in_flight_ != 0) {
    io_uring_sqe* const all = entry();
    io_uring_prep_cancel64(all, 0, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL);
    all->user_data = no_call;
    int result = 0;
    while (in_flight_ != 0 && result >= 0) {
      if (has_mail()) read_mail();
      io_uring_cqe* first = nullptr;
      result = ::io_uring_submit_and_wait_timeout(&ring_, &first, 1, &patience, nullptr);
      (void)collect(all_of_them);
    }
  }
}

void ring_port::leave_carrier() noexcept {
  HILO_CHECK(in_flight_ == 0, "a carrier ends while calls of fibers are in flight");
  close();
}

}  // namespace hilo::io
