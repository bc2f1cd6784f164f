#include "hilo/detail/ready_case.hpp"

#include <cerrno>
#include <new>
#include <stop_token>
#include <system_error>

#include "hilo/detail/decision.hpp"
#include "hilo/limit.hpp"

#include "runtime/io/call.hpp"
#include "runtime/io/driver.hpp"
#include "runtime/io/select_poll.hpp"
#include "runtime/io/without_signals.hpp"
#include "runtime/sched/worker.hpp"

namespace hilo::detail {

ready_case::ready_case(int fd, short events, result<short>& ready, bool enabled) noexcept
    : select_case(enabled, woken_by::a_driver), fd_(fd), events_(events), ready_(ready) {}

ready_case::~ready_case() = default;

void ready_case::renew() noexcept {
  found_.reset();
}

// Between prepare() and dispose() it does not ask the kernel, because the select then holds the
// locks of all cases. If the descriptor becomes ready meanwhile, begin() finds that.
hilo::status ready_case::attempt(partner&) {
  if (!found_.has_value()) {
    if (poll_ != nullptr) return status::would_block;
    if (simulating() && sched::current_worker() != nullptr) [[unlikely]]
      refuse_simulated("I/O");
    const long now = io::attempt({.what = io::request::call::poll, .fd = fd_, .flags = events_});
    if (now == -EAGAIN || now == -EINTR) return status::would_block;
    found_ = io::value_of<short>({now});
  }
  ready_ = *found_;
  found_.reset();
  return ready_.status();
}

void ready_case::prepare() noexcept {
  poll_.reset(new (std::nothrow) io::select_poll(*this));
  if (poll_ == nullptr) found_ = result<short>(status::failed, ENOMEM);
}

namespace {

void start_helper(io::select_poll& one) {
  const io::without_signals guard;
  one.helper = thread({.name = "hilo-select"}, [&one](std::stop_token stop) {
    const io::request poll{.what = io::request::call::poll, .fd = one.fd, .flags = one.wanted()};
    const io::outcome end = with_stop(stop, [&] { return io::make_in_thread(poll, no_deadline); });
    if (end.why != status::ok) return;  // the case was given up
    if (waiter* const who = one.tell(io::value_of<short>(end))) wake(*who, try_again);
  });
}

}  // namespace

void ready_case::begin() noexcept try {
  sched::worker* const here = sched::current_worker();
  if (here == nullptr) return start_helper(*poll_);
  poll_->where = &io::driver::port_of(*here);
  poll_->where->begin(*poll_);
} catch (const std::system_error& error) {
  poll_->fail(status::failed, error.code().value());
} catch (const std::bad_alloc&) {
  poll_->fail(status::failed, ENOMEM);
}

void ready_case::give_up() noexcept {
  (void)poll_->helper.request_stop();
  if (poll_->where != nullptr) poll_->where->give_up(*poll_);
}

void ready_case::dispose() noexcept {
  if (poll_ != nullptr && poll_->where != nullptr) poll_->where->end(*poll_);
  poll_.reset();  // joins the helper
}

}  // namespace hilo::detail
