// A worker's io_uring.
//
// The fiber that makes a call queues it. When the worker looks (sched/driver.hpp), all queued calls
// are handed to the kernel together. The kernel runs their completions only when the worker's own
// thread enters the kernel (DEFER_TASKRUN). So nothing interrupts a fiber, and one system call both
// submits and collects. In return, everything is tied to that thread: only it submits, cancels and
// collects.
//
// If another party ended a fiber's wait, the fiber may have moved to another carrier by then. It
// leaves the abandoned call in the mail of the ring and summons the worker. The mail is filled and
// taken under its lock. Its count is sc, because it is a queue of the idle protocol.
//
// A call may end with ECANCELED although it was not cancelled. Either the ring was evacuated, or
// the address to be cancelled belonged to the next call of the same frame by then. In both cases
// nothing has happened, and the fiber makes the call again.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include <liburing.h>

#include "hilo/detail/spin_lock.hpp"

#include "runtime/io/driver_descriptor.hpp"
#include "runtime/io/pending.hpp"
#include "runtime/io/port.hpp"
#include "runtime/io/port_sleep.hpp"
#include "runtime/io/request.hpp"
#include "runtime/sys/own_descriptor.hpp"

namespace hilo::io {

// io_uring_setup(2), with as many completions as we want. Returns 0 or -errno.
int set_up(io_uring& ring, unsigned entries, unsigned flags) noexcept;

class ring_port final : public port {
 public:
  // Throws std::system_error.
  explicit ring_port(sched::worker& whose);
  ~ring_port() override { close(); }

  bool poll() noexcept override;
  bool may_wait() noexcept override { return in_flight_ != 0; }
  bool wait(std::int64_t until) noexcept override;
  void stay_up() noexcept override {}
  void wake() noexcept override;
  bool has_mail() const noexcept override {
    return mail_size_.load(std::memory_order_seq_cst) != 0;
  }
  bool bound() const noexcept override { return in_flight_ != 0; }
  void evacuate() noexcept override;
  void leave_carrier() noexcept override;
  outcome make(const request& what, std::int64_t deadline) noexcept override;
  void begin(select_poll& one) noexcept override;
  void give_up(select_poll& one) noexcept override;
  void end(select_poll& one) noexcept override;

 private:
  // Called by the fiber that runs here: queues its call. `one` must stay until the call is
  // complete. Returns an errno if there is no ring any more.
  int start(const request& what, pending& one) noexcept;
  // Called by the fiber that started it, wherever that runs now: has the call cancelled, and waits
  // for its end.
  void abandon(pending& one) noexcept;
  // The two parts of abandon(): asks for the cancellation, and takes the request back if nothing
  // has read it.
  bool ask(pending& one) noexcept;
  void retract(pending& one) noexcept;
  // Called by the fiber that started it, before it waits: hands all calls over now. Returns true if
  // the call is complete.
  bool hurry(pending& one) noexcept;
  // Links the call into the slot and gives it to the kernel. Returns an errno if it cannot. If the
  // descriptor is being closed, `end` says so.
  int enter(const request& what, pending& one, status& end) noexcept;

  void open();
  void close() noexcept;
  io_uring_sqe* entry() noexcept;
  void make_wake();
  void renew_wake() noexcept;
  void watch_wake() noexcept;
  void cancel(const pending& one) noexcept;
  void read_mail() noexcept;
  template <class F>
  void for_completions(unsigned most, F&& f) noexcept;
  void fetch(unsigned most) noexcept;
  bool collect(unsigned most) noexcept;
  bool finish(pending& one, std::int32_t result) noexcept;

  sched::worker& owner_;
  io_uring ring_{};
  bool open_ = false;
  sys::own_descriptor number_;  // of ring_
  driver_descriptor wake_;      // an eventfd that the ring polls; never read
  port_sleep sleep_;
  std::uint32_t in_flight_ = 0;  // calls of fibers; the worker's own
  pending* hurried_ = nullptr;   // its fiber does not wait yet, while hurry() runs; likewise

  detail::spin_lock mail_lock_;
  pending* mail_ = nullptr;                  // guarded by mail_lock_
  std::atomic<std::uint32_t> mail_size_{0};  // written under it
};

}  // namespace hilo::io
