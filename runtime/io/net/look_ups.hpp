// The kernel threads that look names up, one for each look-up.
//
// getaddrinfo(3) blocks for seconds if no server answers, and nothing interrupts it. A look-up
// whose caller has gone still holds its thread. So look-ups have their own threads and their own
// limit. They never use the spare carriers, because calls for files wait for those.
#pragma once

#include <cstdint>

#include "hilo/status.hpp"

namespace hilo::net {

// The right to start such a thread. The process has most_look_ups of them.
inline constexpr unsigned most_look_ups = 128;  // guess

class look_up_permit {
 public:
  // Parks while all permits are in use, until a limit or a stop request. In that case `end` says
  // so, and the caller has no permit.
  explicit look_up_permit(status& end) noexcept;
  ~look_up_permit();
  look_up_permit(look_up_permit&& other) noexcept : held_(other.held_) { other.held_ = false; }
  look_up_permit(const look_up_permit&) = delete;
  look_up_permit& operator=(const look_up_permit&) = delete;

 private:
  bool held_ = false;
};

// Called in the child of a fork, which has none of its parent's threads.
void forget_look_ups() noexcept;

}  // namespace hilo::net
