// Free stacks, kept where they will be used again.
//
// Each worker has a cache of its own, last in first out: the stack that a fiber just left is the
// one whose pages and cache lines are warm. Caches of different workers exchange stacks in batches
// through the pool, because a fiber may end on another carrier than the one that spawned it.
//
// A `stack` is the record at the top of a slot by which it is known; the fiber's control block
// derives from it. Records outlive their fibers: a slot that has one keeps it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "hilo/detail/spin_lock.hpp"

#include "runtime/context/stack_arena.hpp"

namespace hilo::context {

class stack_pool;

struct stack {
  stack* next_free = nullptr;  // in a cache's or the pool's list; the list's owner's
  char* top = nullptr;
  stack_pool* pool = nullptr;
};

// Makes the record of a slot that never had one. `index` counts slots, for placing records.
using build_stack = stack* (*)(char* top, std::size_t index, stack_pool& pool);

class stack_pool {
 public:
  stack_pool(std::size_t stack_size, std::size_t reserve, unsigned size_class, build_stack build);

  std::size_t stack_size() const noexcept { return arena_.stack_size(); }
  unsigned size_class() const noexcept { return size_class_; }
  const stack_arena& arena() const noexcept { return arena_; }

  // Takes one stack, for a caller that is no worker. Null: error says why (see stack_arena::open).
  stack* take(int& error) noexcept;
  void give(stack* one) noexcept;

 private:
  friend class stack_cache;

  // Takes up to `wanted` free stacks as a list; count says how many.
  stack* take_list(std::size_t wanted, std::size_t& count) noexcept;
  void give_list(stack* first, stack* last, std::size_t count) noexcept;

  stack_arena arena_;
  unsigned size_class_;
  build_stack build_;
  detail::spin_lock lock_;
  stack* free_ = nullptr;       // guarded by lock_
  std::size_t free_count_ = 0;  // guarded by lock_
  std::size_t built_ = 0;       // guarded by lock_: numbers the records made here
};

// One worker's stacks of one size. Used by that worker's carrier only.
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

  // Takes one when there is none here: from the pool, else from new memory. Null: error says why
  // (see stack_arena::open).
  stack* refill(stack_pool& pool, int& error) noexcept;

  void give(stack* one) noexcept {
    one->next_free = free_;
    free_ = one;
    if (++count_ > most) [[unlikely]]
      spill(*one->pool);
  }

 private:
  static constexpr std::size_t most = 512;       // guess: 2 MiB of touched single-page stacks
  static constexpr std::size_t exchange = 128;   // stacks moved at a time between cache and pool
  static constexpr std::size_t open_batch = 32;  // slots opened at a time; one mprotect

  void spill(stack_pool& pool) noexcept;

  stack* free_ = nullptr;
  std::size_t count_ = 0;
  char* fresh_top_ = nullptr;  // opened slots that have no record yet
  std::size_t fresh_count_ = 0;
  std::size_t fresh_index_ = 0;
};

}  // namespace hilo::context
