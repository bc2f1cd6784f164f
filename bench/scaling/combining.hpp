// A lock that hilo does not have, to compare with: the holder also does the critical sections of
// other carriers (flat combining; Hendler, Incze, Shavit, Tzafrir, SPAA 2010). Each carrier has a
// line in which it publishes its section. The holder looks at all of these lines.
#pragma once

#include <cstdint>
#include <vector>

#include "bench/scaling/life.hpp"

namespace scaling {

class combining_lock {
 public:
  explicit combining_lock(runtime& home) : home_(home), slots_(home.carriers()) {}

  // Does a section that computes for some time, and adds 1 to a number that the lock protects.
  step<void> run(fiber& me, picoseconds work, std::uint64_t& number);

 private:
  struct slot {
    line where{part::mutex};
    picoseconds work = 0;
    bool wanted = false;  // a section waits to be done
  };

  step<void> combine(fiber& me, std::uint64_t& number);

  runtime& home_;
  std::vector<slot> slots_;  // one for each carrier
  line word_line_{part::mutex};
  bool held_ = false;
  line guarded_{part::data};
};

}  // namespace scaling
