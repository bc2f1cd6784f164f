// Fibers that run on the user's memory (spawn_options::stack).
//
// The control block lies at the top of that memory too, as on a stack of the runtime's. But it is
// made for each life and belongs to no pool: `pool` is null, and `chain_length`, which only stacks
// in a pool need, holds the number of bytes. When such a life ends, the fiber is off its stack
// before the user learns of its end. The exception is an end that runs on the stack itself, as that
// of a detached fiber does.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "hilo/detail/spin_lock.hpp"

#include "runtime/context/sanitizer.hpp"

namespace hilo::sched {

struct fiber;

class user_stacks {
 public:
  // Makes a control block at the top of `memory`, and adds it. Throws std::system_error if there is
  // too little memory.
  fiber& add(std::span<std::byte> memory);
  // Takes the fiber out when its life is over.
  void remove(fiber& one) noexcept;

  // Access to all of these fibers, under the lock; at() is null behind the last fiber.
  void lock() noexcept { lock_.lock(); }
  void unlock() noexcept { lock_.unlock(); }
  std::size_t size() const noexcept { return all_.size(); }
  fiber* at(std::size_t index) const noexcept {
    return index < all_.size() ? all_[index] : nullptr;
  }
  bool has(const fiber& one) const noexcept;

 private:
  detail::spin_lock lock_;
  std::vector<fiber*> all_;             // guarded by lock_
  context::stack_registry registered_;  // registered with valgrind
};

}  // namespace hilo::sched
