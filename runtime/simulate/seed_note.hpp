// Tells the seed when the program ends in the middle of a simulation: by an assertion, an abort or
// a fault.
#pragma once

namespace hilo::simulated {

// While any lives, a fatal signal on a thread that simulates is followed by a line with the seed,
// and then goes where it would have gone.
class seed_note {
 public:
  seed_note() noexcept;
  ~seed_note();
  seed_note(const seed_note&) = delete;
  seed_note& operator=(const seed_note&) = delete;
};

}  // namespace hilo::simulated
