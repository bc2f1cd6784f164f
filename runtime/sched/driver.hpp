// The scheduler's view of I/O: two interfaces that runtime/io implements.
//
// A runtime has a driver from its first I/O on. A worker has a port of that driver from the first
// I/O that a fiber did on it. Without them the scheduler pays one comparison in attend() and one
// when idle. A fiber leaves its request with its worker's port and parks; the port makes it
// runnable:
//
//   attend(), about to search   poll(): hands requests to the kernel, takes ready calls
//   sleep                       wait() instead of the futex, until the next timer
//   a wake-up of a sleeper      wake(), if that sleeps in wait()
//
// A port belongs to its worker and is used on that carrier only, except for wake(). Its calls in
// flight may be tied to its kernel thread. So a worker whose port is bound does not give its place
// away: hilo::blocking sends the fiber to a spare instead (blocking.cpp). Such a worker leaves an
// extra place only after evacuate() made every call in flight go elsewhere.
//
// Some fibers wait with no particular port, as with epoll. They must always have a port to serve
// them: they may wait longer than the worker stays in its place, and the next worker there may
// never have done I/O. So a worker that falls asleep with nothing of its own to wait for asks the
// driver for common_port(), and a worker that leaves an extra place wakes a sleeper.
#pragma once

#include <cstdint>
#include <memory>

#include "hilo/detail/waiter.hpp"
#include "hilo/runtime.hpp"

namespace hilo::sched {

class port {
 public:
  port() = default;
  virtual ~port() = default;
  port(const port&) = delete;
  port& operator=(const port&) = delete;

  // Never blocks. True: it made some fiber runnable.
  virtual bool poll() noexcept = 0;

  // Called before a sleep: whether the worker must sleep in wait() and not in the futex. True:
  // wait() or stay_up() follows.
  virtual bool may_wait() noexcept = 0;
  // Sleeps until a call is ready, or until wake(), or until the time (ns; timer_wheel::never:
  // without end). Makes the fibers of ready calls runnable. True: it made some fiber runnable.
  virtual bool wait(std::int64_t until) noexcept = 0;
  virtual void stay_up() noexcept = 0;

  // Ends the current wait(), or the next one. From any thread.
  virtual void wake() noexcept = 0;

  // Whether other threads left mail here that poll() must handle before a sleep. seq_cst: mail is
  // one of the queues of the idle protocol (Q3). The sender puts it there and then takes this
  // worker out of the sleepers.
  virtual bool has_mail() const noexcept = 0;

  // Whether calls are in flight that only this carrier can end.
  virtual bool bound() const noexcept = 0;
  // Ends them; their fibers begin them again on the next worker that runs them.
  virtual void evacuate() noexcept = 0;
  // The carrier ends, and no call is in flight. Another carrier may carry the worker later.
  virtual void leave_carrier() noexcept = 0;
};

class driver {
 public:
  driver() = default;
  virtual ~driver() = default;
  driver(const driver&) = delete;
  driver& operator=(const driver&) = delete;

  // The port in which any worker may sleep while fibers wait with no particular port; null while no
  // fiber does.
  virtual port* common_port() noexcept = 0;

  // Called by the monitor while some worker runs: makes fibers runnable whose calls are ready. It
  // helps when the workers that would look for them compute.
  virtual void look_after(std::int64_t now) noexcept = 0;
};

// For ports: end the wait of a fiber that the port claimed. On a carrier the fiber runs behind
// those that wait there. After the last fiber, woke_in_turn() lets other workers steal them.
void wake_in_turn(detail::waiter& who, status result) noexcept;
void woke_in_turn() noexcept;

// Implemented in runtime/io. Tries the wanted driver; if any driver will do and the ring is
// refused, tries epoll. Throws std::system_error if the wanted driver cannot be had.
std::unique_ptr<driver> make_driver(io_driver wanted);
// The driver that HILO_IO names; any, if it is not set. Throws std::system_error for an unknown
// name.
io_driver driver_of_environment();

}  // namespace hilo::sched
