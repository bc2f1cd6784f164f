// The driver of a runtime: what was chosen, and the ports it gives to workers.
//
// A worker gets a ring of its own; one for which the kernel has none left (memory, descriptors)
// waits by epoll beside the others. While no descriptor can be had for that either, its calls are
// made as far as they need not wait, and else tried again every few milliseconds. The epoll part is
// one for the runtime and made when the first port needs it.
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

// A fiber's call without a ring, if it need not wait for its descriptor; a call for a file is made
// as by hilo::blocking. {-EAGAIN}: it has to wait.
outcome make_at_once(const request& what, std::int64_t deadline) noexcept;

class driver final : public sched::driver {
 public:
  driver(io_driver chosen, std::string why);

  sched::port* common_port() noexcept override;
  void look_after(std::int64_t now) noexcept override;

  // A port for the worker that runs the caller, opened if it has none. Throws std::system_error.
  static port& port_of(sched::worker& here);

  io_driver chosen() const noexcept { return chosen_; }
  // Why not the ring; empty if it was chosen or not wanted.
  const std::string& why() const noexcept { return why_; }

 private:
  std::unique_ptr<port> open(sched::worker& here);
  poller& shared_poller();

  const io_driver chosen_;
  const std::string why_;
  const std::unique_ptr<port> napping_;  // of all workers that have none
  kernel::mutex opening_;
  std::unique_ptr<poller> made_poller_;  // written under opening_, as the next
  std::unique_ptr<port> made_common_;
  std::atomic<poller*> poller_{nullptr};  // (O) release; publishes both to who opened no port
};

}  // namespace hilo::io
