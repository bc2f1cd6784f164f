// Tries of one call that find nothing although poll(2) says that its descriptor is ready.
//
// A few such tries are normal: several fibers wait for one listener, and one of them gets the
// connection. But some descriptors are always ready for poll(2) and still have no room: a Unix
// socket that connects to a listener with a full queue, a datagram socket without a peer, an
// eventfd with less room than the value. The kernel does not report when there is room. So after
// the first tries the caller pauses between them.
#pragma once

#include <algorithm>
#include <cstdint>

#include "hilo/detail/deadline.hpp"

namespace hilo::io {

class vain_tries {
 public:
  // Counts one more try. Returns true if the caller must sleep until pause_end() before the next
  // try.
  bool add() noexcept { return ++count_ > without_pause; }

  // The end of a pause that begins now, in nanoseconds: the call's deadline at the latest.
  std::int64_t pause_end(std::int64_t deadline) noexcept {
    pause_ = std::min(2 * pause_, longest);
    return std::min(deadline, detail::monotonic_now() + pause_);
  }

 private:
  static constexpr unsigned without_pause = 16;       // guess
  static constexpr std::int64_t longest = 5'000'000;  // ns; as net::retry_later

  unsigned count_ = 0;
  std::int64_t pause_ = 250'000;  // ns; half of the first
};

}  // namespace hilo::io
