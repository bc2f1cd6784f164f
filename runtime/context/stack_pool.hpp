// The free stacks of one size that no worker keeps for itself, by age.
//
//   given back ->  recent  --a period-->  aging  --a period-->  old  --trim()-->  closed (no
//   memory)
//
// Whoever needs a stack takes the most recent one; a stack that nobody needed for one to two
// periods gives its memory back to the kernel. Each step moves a whole list, so aging costs nothing
// while stacks come and go.
//
// A `stack` is the record at the top of a slot by which it is known; the fiber's control block
// derives from it. A slot that is closed loses its record and gets a new one when it is reopened.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "hilo/detail/spin_lock.hpp"

#include "runtime/context/stack_arena.hpp"

namespace hilo::context {

class stack_pool;

struct stack {
  stack* next_free = nullptr;  // in a cache's or the pool's list; the list's owner's
  char* top = nullptr;
  stack_pool* pool = nullptr;
};

// Makes the record of a slot that has none. `index` numbers slots, for placing records.
using build_stack = stack* (*)(char* top, std::size_t index, stack_pool& pool);

class stack_pool {
 public:
  stack_pool(std::size_t stack_size, std::size_t reserve, unsigned size_class, build_stack build,
             bool unguarded = false);

  std::size_t stack_size() const noexcept { return arena_.stack_size(); }
  unsigned size_class() const noexcept { return size_class_; }
  const stack_arena& arena() const noexcept { return arena_; }

  // Takes one stack, for a caller that is no worker. Null: error says why (see stack_arena::open).
  stack* take(int& error) noexcept;
  void give(stack* one) noexcept;

  // Takes up to `wanted` free stacks as a list; count says how many.
  stack* take_list(std::size_t wanted, std::size_t& count) noexcept;
  void give_list(stack* first, stack* last, std::size_t count) noexcept;

  // A slot without a record: a closed one, else null.
  char* reopen() noexcept { return arena_.reopen(); }
  stack_arena::batch open(std::size_t wanted) noexcept { return arena_.open(wanted); }
  stack* build(char* top) noexcept { return build_(top, arena_.index_of(top), *this); }

  // Free stacks that still hold memory; a hint for those who do not hold the lock.
  std::size_t spare() const noexcept { return spare_.load(std::memory_order_relaxed); }

  // A period passed: what was not taken meanwhile grows older.
  void age() noexcept;
  // Closes up to `most` old stacks; returns how many. Each costs about a microsecond. settle() is
  // called on each before: it waits until nobody stands on the stack any more.
  std::size_t trim(std::size_t most, void (*settle)(const stack&)) noexcept;

 private:
  struct list {
    stack* first = nullptr;
    stack* last = nullptr;

    stack* pop() noexcept;
    void push(stack* from, stack* to) noexcept;
    void append(list& other) noexcept;  // empties the other
  };

  stack* pop_any() noexcept;

  stack_arena arena_;
  unsigned size_class_;
  build_stack build_;
  detail::spin_lock lock_;
  list recent_, aging_, old_;          // guarded by lock_
  std::atomic<std::size_t> spare_{0};  // written under lock_
};

}  // namespace hilo::context
