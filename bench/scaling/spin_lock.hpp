// The lock inside primitives, as include/hilo/detail/spin_lock.hpp: a carrier may own it, and then
// takes it by plain stores; the ownership moves to a carrier that asks for it, or is revoked.
#pragma once

#include <cstdint>

#include "bench/scaling/machine.hpp"
#include "bench/scaling/step.hpp"

namespace scaling {

class worker;

class spin_lock {
 public:
  // `home`: the line of the lock, and of what it guards.
  explicit spin_lock(line& home) noexcept : home_(home) {}

  step<void> lock(worker& by);
  step<void> unlock(worker& by) { return leave(by, giving::at_once); }
  step<void> unlock_and_keep(worker& by) { return leave(by, giving::never); }
  step<void> unlock_to_wait(worker& by) {
    return leave(by, moves_ ? giving::unasked : giving::at_once);
  }

  // How long a carrier that wants the lock leaves it to its owner, in pauses. hilo has 32.
  unsigned patience_before_asking = 32;

 private:
  enum class giving : std::uint8_t { never, at_once, unasked };
  static constexpr std::uint32_t revoked = 1, nobody = 2, undecided = 4, asked = 8;

  step<void> leave(worker& by, giving when);
  step<void> lock_word(worker& by);
  step<void> wait_for_word(worker& by);
  step<void> settle_owner(worker& by);
  step<bool> ask(worker& by, std::uint32_t owner);
  step<void> wait_until_out(worker& by);

  line& home_;
  std::uint32_t owner_ = undecided;  // the name of a worker, with bits; or a value without a worker
  bool word_ = false;
  bool inside_ = false;
  bool moves_ = false;
  std::uint8_t holders_ = 0;
  std::uint8_t credit_ = 16;
};

}  // namespace scaling
