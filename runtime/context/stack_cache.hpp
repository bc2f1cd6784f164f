// One worker's free stacks of one size.
//
// Last in, first out: the stack that a fiber just left is the one whose pages and cache lines are
// warm. Caches of different workers exchange stacks in chains through the pool, because a fiber may
// end on another carrier than the one that spawned it. Used by its worker's carrier only.
#pragma once

#include <array>
#include <cstddef>

#include "runtime/context/stack_pool.hpp"

namespace hilo::context {

class stack_cache {
 public:
  // The stack that was given last. Null if there is none here.
  stack* first_free() const noexcept { return free_; }
  void take(stack& first) noexcept {
    free_ = first.next_free;
    --count_;
  }
  stack* take_free() noexcept {
    stack* const one = free_;
    if (one != nullptr) take(*one);
    return one;
  }

  // Takes a stack from elsewhere if there is none here: from the pool, else a closed or a new slot.
  // Null: error says why (see stack_arena::open).
  stack* refill(stack_pool& pool, int& error) noexcept;

  void give(stack* one) noexcept {
    if (count_ == stack_pool::longest_chain) [[unlikely]]
      put_aside();
    one->next_free = free_;
    free_ = one;
    ++count_;
  }

  bool empty() const noexcept { return count_ == 0 && full_count_ == 0; }

  // Gives all stacks to the pool: the worker does not expect to need them soon.
  void spill_all() noexcept;

 private:
  static constexpr std::size_t most_full = 3;    // guess: with free_, 2 MiB of single-page stacks
  static constexpr std::size_t open_batch = 32;  // slots opened at a time; one mprotect

  [[gnu::noinline]] void put_aside() noexcept;

  stack* free_ = nullptr;
  std::size_t count_ = 0;  // in free_
  // Chains of the longest length, the oldest first.
  std::array<stack*, most_full> full_{};
  std::size_t full_count_ = 0;
  char* fresh_top_ = nullptr;  // opened slots that have no record yet
  std::size_t fresh_count_ = 0;
};

}  // namespace hilo::context
