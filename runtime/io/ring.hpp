// A worker's io_uring.
//
// Calls are queued by the fiber that makes them and handed to the kernel together, when the worker
// looks (sched/driver.hpp). The kernel runs their completions only when the worker's own thread
// enters it (DEFER_TASKRUN), so nothing interrupts a fiber, and one system call both submits and
// collects. In exchange all of it is tied to that thread: only it submits, cancels and collects.
//
// A fiber whose wait another ended may have moved to another carrier by then; it leaves the call it
// gave up in the mail of the ring, and summons the worker. Mail is filled and taken under its lock;
// its count is sc, being a queue of the idle protocol.
//
// A call comes back with ECANCELED though nobody asked for it: the ring was evacuated, or the
// address that was to be cancelled belonged to the next call of the same frame by then. Either way
// nothing has happened, and the fiber makes the call again.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include <liburing.h>

#include "hilo/detail/spin_lock.hpp"

#include "runtime/io/pending.hpp"
#include "runtime/io/port.hpp"
#include "runtime/io/request.hpp"
#include "runtime/sys/own_descriptor.hpp"

namespace hilo::io {

// io_uring_setup(2), with as many completions as we want. Returns 0 or -errno.
int set_up(io_uring& ring, unsigned entries, unsigned flags) noexcept;

class ring_port final : public port {
 public:
  // Throws std::system_error.
  explicit ring_port(sched::worker& whose);
  ~ring_port() override;

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
  // By the fiber that runs here: queues its call. `one` stays until it is complete. An errno when
  // there is no ring to be had any more.
  int start(const request& what, pending& one) noexcept;
  // By the fiber that started it, wherever it runs now: has it cancelled, and waits for its end.
  void abandon(pending& one) noexcept;
  // What it consists of: asks for the cancellation, and takes back what nobody has read of that.
  bool ask(pending& one) noexcept;
  void retract(pending& one) noexcept;
  // By the fiber that started it, before it waits: hands all calls over now. True: it is complete.
  bool hurry(pending& one) noexcept;
  // Makes it the slot's and the kernel's; an errno if it cannot, or `end`: it is being closed.
  int enter(const request& what, pending& one, status& end) noexcept;

  void open();
  void close() noexcept;
  io_uring_sqe* entry() noexcept;
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
  sys::own_descriptor number_;   // of ring_
  sys::own_descriptor wake_;     // an eventfd that the ring polls; never read
  std::uint32_t in_flight_ = 0;  // calls of fibers; the worker's own
  pending* hurried_ = nullptr;   // whose fiber does not wait yet, while hurry() runs; likewise

  detail::spin_lock mail_lock_;
  pending* mail_ = nullptr;                  // guarded by mail_lock_
  std::atomic<std::uint32_t> mail_size_{0};  // written under it
};

}  // namespace hilo::io
