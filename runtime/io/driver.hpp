// The driver of a runtime: what was chosen, and the ports it gives to workers.
//
// A worker gets its own ring. If the kernel has no ring left for a worker (memory, descriptors),
// that worker waits by epoll, and the others keep their rings. If there is no descriptor for epoll
// either, calls that need not wait are made, and other calls are tried again every few
// milliseconds. The runtime has one epoll part, made when the first port needs it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "hilo/kernel/mutex.hpp"

#include "runtime/io/poller.hpp"
#include "runtime/io/port.hpp"
#include "runtime/sched/driver.hpp"

namespace hilo::sched {
class worker;
}

namespace hilo::io {

// Makes a fiber's call without a ring if the call need not wait for its descriptor. A call for a
// file goes to hilo::blocking. {-EAGAIN}: the call has to wait.
outcome make_at_once(const request& what, std::int64_t deadline) noexcept;

class driver final : public sched::driver {
 public:
  driver(io_driver chosen, std::string why);

  sched::port* common_port() noexcept override;
  void look_after(std::int64_t now) noexcept override;

  // Returns a port for the worker that runs the caller. Opens a port if it has none. Throws
  // std::system_error.
  static port& port_of(sched::worker& here);

  io_driver chosen() const noexcept { return chosen_; }
  // Why the ring is not used. Empty if it was chosen or not wanted.
  const std::string& why() const noexcept { return why_; }

 private:
  std::unique_ptr<port> open(sched::worker& here);
  poller& shared_poller();

  const io_driver chosen_;
  const std::string why_;
  const std::unique_ptr<port> napping_;  // shared by all workers that have none
  kernel::mutex opening_;
  std::unique_ptr<poller> made_poller_;  // written under opening_, as the next field
  std::unique_ptr<port> made_common_;
  std::atomic<poller*> poller_{nullptr};  // (O) release; publishes both to other threads
};

}  // namespace hilo::io
