// What the scheduler knows of I/O: two interfaces that runtime/io implements.
//
// A runtime has a driver from its first I/O on, and each worker a port of it from the first I/O
// that a fiber did there; without them the scheduler pays a comparison in attend() and one at idle.
// A fiber leaves what it waits for with its worker's port and parks; the port makes it runnable:
//
//   attend(), about to search   poll(): hands to the kernel what was left, takes what is ready
//   sleep                       wait() instead of the futex, until the next timer
//   a wake-up of a sleeper      wake(), if that sleeps in wait()
//
// A port is its worker's and is used on that carrier only, but for wake(). What is in flight there
// may be tied to its kernel thread, so a worker whose port is bound does not give its place away:
// hilo::blocking sends the fiber to a spare instead (blocking.cpp), and an extra place is left once
// evacuate() made every call in flight go elsewhere. What waits with no port in particular, as by
// epoll, must not be left without one: its fibers may outlast the worker's stay in its place, and
// who comes there instead may never have done I/O. So whoever falls asleep with nothing of its own
// to wait for asks the driver for common_port(), and who leaves an extra place wakes a sleeper.
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

  // Before a sleep: whether wait() is the way to sleep, and not the futex. True: wait() or
  // stay_up() follows.
  virtual bool may_wait() noexcept = 0;
  // Sleeps until something is ready, which it makes runnable, or wake(), or the time (ns;
  // timer_wheel::never: without end). True: it made some fiber runnable.
  virtual bool wait(std::int64_t until) noexcept = 0;
  virtual void stay_up() noexcept = 0;

  // Ends the wait() that is under way, or the next one. From any thread.
  virtual void wake() noexcept = 0;

  // Whether others left something here that poll() has to see to before a sleep. seq_cst: one of
  // the queues of the idle protocol (Q3), filled by who then takes this worker out of the sleepers.
  virtual bool has_mail() const noexcept = 0;

  // Whether calls are in flight that only this carrier can end.
  virtual bool bound() const noexcept = 0;
  // Ends them; their fibers begin them again wherever they run next.
  virtual void evacuate() noexcept = 0;
  // The carrier ends, and nothing is in flight. Another one may carry the worker later.
  virtual void leave_carrier() noexcept = 0;
};

class driver {
 public:
  driver() = default;
  virtual ~driver() = default;
  driver(const driver&) = delete;
  driver& operator=(const driver&) = delete;

  // Where any worker may sleep while fibers wait with no port in particular; null while none does.
  virtual port* common_port() noexcept = 0;

  // By the monitor, while some worker runs: makes fibers runnable that are ready and that nobody
  // looked at for a while, because those who would compute.
  virtual void look_after(std::int64_t now) noexcept = 0;
};

// For ports: ends the wait of a fiber that they claimed. On a carrier it runs behind those that
// wait there; after the last one, woke_in_turn() lets others steal them.
void wake_in_turn(detail::waiter& who, status result) noexcept;
void woke_in_turn() noexcept;

// Implemented in runtime/io. Tries what is wanted, and epoll where any driver will do and the ring
// is refused. Throws std::system_error when what was wanted is not to be had.
std::unique_ptr<driver> make_driver(io_driver wanted);
// What HILO_IO says; any, if it is not set. Throws std::system_error when it says something else.
io_driver driver_of_environment();

}  // namespace hilo::sched
