// Tells the seed when the program ends in the middle of a simulation: by an assertion, an abort or
// a fault.
#pragma once

namespace hilo::simulated {

// While a seed_note lives, a fatal signal on a thread that simulates prints a line with the seed.
// The signal then takes its normal way.
class seed_note {
 public:
  seed_note() noexcept;
  ~seed_note();
  seed_note(const seed_note&) = delete;
  seed_note& operator=(const seed_note&) = delete;
};

}  // namespace hilo::simulated
