// A worker's port (sched/driver.hpp), with what the calls of hilo/io.hpp need of it; and the
// ring's, which a build may be without.
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

// What came of a call: a value that is not negative, or -errno, while `why` is ok; else a limit
// ended it, or close() did.
struct outcome {
  long value;
  status why = status::ok;
};

class port : public sched::port {
 public:
  // Makes a call for the fiber that runs here, which parks while it waits. -EINTR or -ECANCELED:
  // nothing has happened, and it is to be made again, wherever the fiber runs then; -EAGAIN: the
  // same once the descriptor is ready.
  virtual outcome make(const request& what, std::int64_t deadline) noexcept = 0;

  // Of a case of a select that a fiber waits in; neither of the first two parks.
  // By the fiber that runs here: has the descriptor looked at until its select was told once.
  virtual void begin(select_poll& one) noexcept = 0;
  // Wherever that fiber runs by now: nobody needs to look any more.
  virtual void give_up(select_poll& one) noexcept = 0;
  // Afterwards nobody knows of it. Parks: while the kernel does.
  virtual void end(select_poll& one) noexcept = 0;
};

// Whether this kernel lets us have rings, and which setup flags it takes; tried until that is
// known.
struct ring_support {
  int error = 0;       // an errno; 0: yes
  std::string why;     // in words
  unsigned flags = 0;  // of io_uring_setup(2)

  // Whether the error is a lack of descriptors or memory, which may end.
  bool may_change() const noexcept;
};
ring_support ring_supported();

// Throws std::system_error.
std::unique_ptr<port> open_ring(sched::worker& whose);

}  // namespace hilo::io
