#include "runtime/io/driver.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <mutex>
#include <string_view>
#include <system_error>
#include <utility>

#include "hilo/detail/channel_core.hpp"
#include "hilo/detail/deadline.hpp"
#include "hilo/io.hpp"
#include "hilo/limit.hpp"

#include "runtime/base/error.hpp"
#include "runtime/io/blocking_call.hpp"
#include "runtime/io/fifo.hpp"
#include "runtime/io/select_poll.hpp"
#include "runtime/sched/worker.hpp"

namespace hilo::io {
namespace {

constexpr std::int64_t overlooked = 5'000'000;  // ns

// The port of a worker while there is no descriptor for a ring or an epoll set. A call that need
// not wait is made as usual. A call that would wait sleeps briefly and tries again, and by then
// there may be a better port. A worker does not keep this port for long: the next call first asks
// for a better port.
class napping_port final : public port {
 public:
  bool poll() noexcept override { return false; }
  bool may_wait() noexcept override { return false; }
  bool wait(std::int64_t) noexcept override { return false; }
  void stay_up() noexcept override {}
  void wake() noexcept override {}
  bool has_mail() const noexcept override { return false; }
  bool bound() const noexcept override { return false; }
  void evacuate() noexcept override {}
  void leave_carrier() noexcept override {}
  outcome make(const request& what, std::int64_t deadline) noexcept override;
  // A select that has to wait fails with EMFILE. It looks again if the program calls it again.
  void begin(select_poll& one) noexcept override { one.fail(status::failed, EMFILE); }
  void give_up(select_poll&) noexcept override {}
  void end(select_poll&) noexcept override {}
};

// The port of a worker that waits by epoll: the poller that workers share, and this worker's turn
// in it.
class epoll_port final : public port {
 public:
  explicit epoll_port(poller& shared) noexcept : shared_(shared) {}

  bool poll() noexcept override { return shared_.in_use() && shared_.look(0); }
  bool may_wait() noexcept override { return shared_.take_turn(); }
  bool wait(std::int64_t until) noexcept override {
    std::int64_t left = -1;
    if (until != sched::timer_wheel::never) {
      left = std::max<std::int64_t>(1, until - detail::monotonic_now());
    }
    const bool woke = shared_.look(left);
    shared_.end_turn();
    return woke;
  }
  void stay_up() noexcept override { shared_.end_turn(); }
  void wake() noexcept override { shared_.wake(); }
  bool has_mail() const noexcept override { return false; }
  bool bound() const noexcept override { return false; }
  void evacuate() noexcept override {}
  void leave_carrier() noexcept override {}
  outcome make(const request& what, std::int64_t deadline) noexcept override;
  void begin(select_poll& one) noexcept override;
  void give_up(select_poll&) noexcept override {}
  void end(select_poll& one) noexcept override { shared_.end(one); }

 private:
  poller& shared_;
};

void epoll_port::begin(select_poll& one) noexcept {
  status end = status::ok;
  const int error = shared_.begin(one, end);
  if (end != status::ok) one.fail(end, EBADF);
  if (error != 0) one.fail(status::failed, error);
}

}  // namespace

outcome make_at_once(const request& what, std::int64_t deadline) noexcept {
  detail::count_eager();
  // As before a wait: once a limit is reached no call begins.
  const status end = detail::limit_now();
  if (end != status::ok) return {0, end};
  if (deadline != detail::no_deadline && deadline <= 0) return {0, status::timed_out};
  bool waits_for_other_end = false;
  const auto block = [&] {
    waits_for_other_end = opens_fifo(what);
    return waits_for_other_end ? 0 : perform(what);
  };
  if (only_blocks(what)) {
    if (const long cached = read_cached(what); cached != -EAGAIN) return {cached};
    const outcome done = make_blocking(what.fd, deadline, block);
    return waits_for_other_end ? open_fifo(what, deadline) : done;
  }
  return {attempt(what)};
}

namespace {

outcome epoll_port::make(const request& what, std::int64_t deadline) noexcept {
  const outcome at_once = make_at_once(what, deadline);
  if (at_once.why != status::ok || at_once.value != -EAGAIN || only_blocks(what)) return at_once;
  const auto block = [&] { return perform(what); };
  int error = 0;
  const outcome done = shared_.wait_and_try(what, deadline, error);
  if (error == EPERM) return make_blocking(what.fd, deadline, block);
  return error != 0 ? outcome{-error} : done;
}

outcome napping_port::make(const request& what, std::int64_t deadline) noexcept {
  const outcome at_once = make_at_once(what, deadline);
  if (at_once.why != status::ok || at_once.value != -EAGAIN || only_blocks(what)) return at_once;
  detail::waiter& self = detail::current_waiter();
  status end = detail::limit_wait(self, deadline);
  if (end != status::ok) return {0, end};
  constexpr std::int64_t nap = 2'000'000;  // ns; guess
  const std::int64_t until = std::min(deadline, detail::monotonic_now() + nap);
  detail::open_wait(self);
  detail::show_wait(self);
  end = detail::sit_out(self, until, "io without a descriptor to wait by");
  detail::close_wait(self);
  if (end == status::timed_out && until < deadline) return {-EINTR};  // the caller makes it again
  return {0, end};
}

// Whether an error is a shortage that may end.
bool may_end(const std::system_error& error) noexcept {
  const int number = error.code().value();
  return number == EMFILE || number == ENFILE || number == ENOMEM;
}

}  // namespace

driver::driver(io_driver chosen, std::string why)
    : chosen_(chosen), why_(std::move(why)), napping_(std::make_unique<napping_port>()) {}

poller& driver::shared_poller() {
  const std::scoped_lock guard(opening_);
  if (made_poller_ == nullptr) {
    auto made = std::make_unique<poller>();
    made_common_ = std::make_unique<epoll_port>(*made);
    made_poller_ = std::move(made);
    poller_.store(made_poller_.get(), std::memory_order_release);  // (O)
  }
  return *made_poller_;
}

std::unique_ptr<port> driver::open(sched::worker& here) {
  if (chosen_ == io_driver::uring) {
    try {
      return open_ring(here);
    } catch (const std::system_error&) {
      // No ring is left for this worker. It goes on as if rings did not exist.
    }
  }
  return std::make_unique<epoll_port>(shared_poller());
}

port& driver::port_of(sched::worker& here) {
  if (here.io() == nullptr) [[unlikely]] {
    auto& its = static_cast<driver&>(here.home().io());
    try {
      here.open_io(its.open(here));
    } catch (const std::system_error& error) {
      if (!may_end(error)) throw;
      return *its.napping_;
    }
  }
  return static_cast<port&>(*here.io());
}

// Needs no opening_: the thread that made the poller set made_common_ before (O).
sched::port* driver::common_port() noexcept {
  poller* const its = poller_.load(std::memory_order_acquire);  // (O)
  return its != nullptr && its->in_use() ? made_common_.get() : nullptr;
}

void driver::look_after(std::int64_t now) noexcept {
  poller* const its = poller_.load(std::memory_order_acquire);  // (O)
  if (its != nullptr && its->in_use() && now - its->looked_at() > overlooked) (void)its->look(0);
}

}  // namespace hilo::io

namespace hilo {

io::driver_choice io::chosen_driver() {
  sched::worker* const here = sched::current_worker();
  if (here == nullptr)
    return {io_driver::any, "the caller is not a fiber: it makes plain system calls"};
  auto& its = static_cast<io::driver&>(here->home().io());
  return {its.chosen(), its.why()};
}

namespace sched {

std::unique_ptr<driver> make_driver(io_driver wanted) {
  if (wanted == io_driver::epoll) {
    return std::make_unique<io::driver>(io_driver::epoll, std::string());
  }
  const io::ring_support ring = io::ring_supported();
  // A shortage of descriptors or memory does not decide this: each worker asks again.
  if (ring.error == 0 || (wanted == io_driver::any && ring.may_change()))
    return std::make_unique<io::driver>(io_driver::uring, std::string());
  if (wanted == io_driver::uring) {
    base::fail(ring.error, "drive I/O by io_uring",
               "it is refused: " + ring.why + "; choose io_driver::any or HILO_IO=epoll");
  }
  return std::make_unique<io::driver>(io_driver::epoll, ring.why);
}

io_driver driver_of_environment() {
  const char* const text = std::getenv("HILO_IO");
  const std::string_view said = text != nullptr ? text : "";
  if (said.empty()) return io_driver::any;
  if (said == "uring") return io_driver::uring;
  if (said == "epoll") return io_driver::epoll;
  base::fail(EINVAL, "start a runtime",
             "HILO_IO is \"" + std::string(said) + "\"; set it to uring or epoll");
}

}  // namespace sched
}  // namespace hilo
