// A channel, as include/hilo/channel.hpp and detail/channel_core.hpp: a ring and two wait lists
// under a spin_lock. A capacity of 0 makes a rendezvous.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "bench/scaling/life.hpp"

namespace scaling {

class channel {
 public:
  explicit channel(std::size_t capacity)
      : values_(capacity), ring_lines_(capacity / values_in_a_line + 1, line(part::values)) {}

  step<void> send(fiber& me, std::uint64_t value);
  // False: it is closed and empty.
  step<bool> receive(fiber& me, std::uint64_t& into);
  step<void> close(fiber& me);

 private:
  static constexpr std::size_t values_in_a_line = 8;

  step<void> finish(fiber& me, fiber* served);
  step<void> wait_in(fiber& me, fiber_list& list, std::uint64_t& slot);
  step<void> put(fiber& me, std::uint64_t value);
  step<std::uint64_t> take(fiber& me);

  line head_line_{part::channel};   // the lock, the indices
  line lists_line_{part::waiters};  // the lists of waiters
  spin_lock lock_{head_line_};
  std::vector<std::uint64_t> values_;
  std::vector<line> ring_lines_;
  std::size_t first_ = 0, count_ = 0;
  std::uint8_t streak_ = 0;
  bool closed_ = false;
  fiber_list senders_, receivers_;
};

}  // namespace scaling
