// One worker's free stacks of one size.
//
// Last in, first out: the stack that a fiber just left is the one whose pages and cache lines are
// warm. Caches of different workers exchange stacks in batches through the pool, because a fiber
// may end on another carrier than the one that spawned it. Used by its worker's carrier only.
#pragma once

#include <cstddef>

#include "runtime/context/stack_pool.hpp"

namespace hilo::context {

class stack_cache {
 public:
  // The stack given last; null when there is none here.
  stack* take_free() noexcept {
    stack* const one = free_;
    if (one == nullptr) return nullptr;
    free_ = one->next_free;
    --count_;
    return one;
  }

  // Takes one when there is none here: from the pool, else a closed or a new slot. Null: error says
  // why (see stack_arena::open).
  stack* refill(stack_pool& pool, int& error) noexcept;

  void give(stack* one) noexcept {
    one->next_free = free_;
    free_ = one;
    if (++count_ > most) [[unlikely]] {
      spill(exchange);
    }
  }

  bool empty() const noexcept { return count_ == 0; }

  // Gives all to the pool: the worker does not expect to need them soon.
  void spill_all() noexcept {
    if (count_ != 0) spill(count_);
  }

 private:
  static constexpr std::size_t most = 512;       // guess: 2 MiB of touched single-page stacks
  static constexpr std::size_t exchange = 128;   // stacks moved at a time between cache and pool
  static constexpr std::size_t open_batch = 32;  // slots opened at a time; one mprotect

  void spill(std::size_t count) noexcept;

  stack* free_ = nullptr;
  std::size_t count_ = 0;
  char* fresh_top_ = nullptr;  // opened slots that have no record yet
  std::size_t fresh_count_ = 0;
};

}  // namespace hilo::context
