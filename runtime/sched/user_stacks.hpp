// Fibers that run on memory of the user's (spawn_options::stack).
//
// The control block lies at the top of that memory too, as on a stack of the runtime's, but it is
// made for each life and belongs to no pool: `pool` is null, and `chain_length`, which only stacks
// in a pool need, has the bytes. When such a life ends, the fiber waits until it is off its stack
// before the user hears of it, except where it stands on it itself, as a detached one does.
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
  // Makes a control block at the top of `memory`, and adds it. Throws std::system_error when there
  // is too little.
  fiber& add(std::span<std::byte> memory);
  // Takes it out when its life is over.
  void remove(fiber& one) noexcept;

  // All of them, under the lock; at() is null behind the last.
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
  context::stack_registry registered_;  // under valgrind
};

}  // namespace hilo::sched
