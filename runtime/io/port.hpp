// A worker's port (sched/driver.hpp), with the parts that the calls of hilo/io.hpp need. And the
// ring's port, which a build may leave out.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "hilo/status.hpp"

#include "runtime/io/request.hpp"
#include "runtime/sched/driver.hpp"

namespace hilo::sched {
class worker;
}

namespace hilo::io {

struct select_poll;

// The outcome of a call. If `why` is ok: a value that is not negative, or -errno. Otherwise a limit
// or close() ended the call.
struct outcome {
  long value;
  status why = status::ok;
};

class port : public sched::port {
 public:
  // Makes a call for the fiber that runs here. The fiber parks while the call waits. -EINTR or
  // -ECANCELED: nothing has happened, and the fiber must make the call again, wherever it runs
  // then. -EAGAIN: the same once the descriptor is ready.
  virtual outcome make(const request& what, std::int64_t deadline) noexcept = 0;

  // For a case of a select that a fiber waits in. begin() and give_up() do not park.
  // Called by the fiber that runs here: the driver looks at the descriptor until it told the
  // select.
  virtual void begin(select_poll& one) noexcept = 0;
  // Called wherever that fiber runs by now: nothing needs to look any more.
  virtual void give_up(select_poll& one) noexcept = 0;
  // Afterwards nothing refers to it. Parks: while the kernel still does.
  virtual void end(select_poll& one) noexcept = 0;
};

// Whether this kernel lets us have rings, and which setup flags it takes. Tried again until that is
// known.
struct ring_support {
  int error = 0;       // an errno; 0: yes
  std::string why;     // in words
  unsigned flags = 0;  // of io_uring_setup(2)

  // Whether the error is a shortage of descriptors or memory, which may end.
  bool may_change() const noexcept;
};
ring_support ring_supported();

// Throws std::system_error.
std::unique_ptr<port> open_ring(sched::worker& whose);

}  // namespace hilo::io
