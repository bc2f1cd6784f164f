// The free stacks of one size that no worker keeps for itself, ordered by age.
//
//   given back -> recent --a period--> aging --a period--> old --trim()--> closed (no memory)
//
// The most recent stack is taken first. A stack that was not needed for one to two periods gives
// its memory back to the kernel. Each step moves a whole list, so aging costs nothing while stacks
// come and go.
//
// Caches bring and take whole chains of stacks. A chain changes hands in a few instructions.
// Walking a chain under the lock would fetch a cache line of each stack from the CPU that used it
// last.
//
// A `stack` is the record at the top of a slot; it identifies the slot. The fiber's control block
// derives from it. A slot that is closed loses its record and gets a new one when it is reopened.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "hilo/detail/spin_lock.hpp"

#include "runtime/context/stack_arena.hpp"

namespace hilo::context {

class stack_pool;

struct stack {
  stack* next_free = nullptr;  // in a chain of free stacks; written by the owner of the chain
  char* top = nullptr;
  stack_pool* pool = nullptr;
  // Set in the first stack of a chain while the chain is in the pool. Guarded by the pool's lock.
  stack* next_chain = nullptr;
  std::size_t chain_length = 0;
};

// Makes the record of a slot that has none. `index` is the slot's number, used to place the record.
using build_stack = stack* (*)(char* top, std::size_t index, stack_pool& pool);

class stack_pool {
 public:
  stack_pool(std::size_t stack_size, std::size_t reserve, unsigned size_class, build_stack build,
             bool unguarded = false, std::size_t guard_size = default_guard_size);

  std::size_t stack_size() const noexcept { return arena_.stack_size(); }
  unsigned size_class() const noexcept { return size_class_; }
  const stack_arena& arena() const noexcept { return arena_; }

  // Takes one stack, for a caller that is not a worker. Null: error says why (see
  // stack_arena::open).
  stack* take(int& error) noexcept;
  void give(stack* one) noexcept;

  static constexpr std::size_t longest_chain = 128;

  // The same for a chain of any length up to longest_chain. take_chain() sets the length.
  stack* take_chain(std::size_t& length) noexcept;
  void give_chain(stack& first, std::size_t length) noexcept;

  // Takes a slot without a record. reopen() takes a closed slot, or returns null.
  char* reopen() noexcept { return arena_.reopen(); }
  stack_arena::batch open(std::size_t wanted) noexcept { return arena_.open(wanted); }
  stack* build(char* top) noexcept;

  // Calls f(top) for each slot that has a record. The caller makes sure that no slot is trimmed
  // meanwhile.
  template <class F>
  void for_each_built(F&& f) const {
    for (std::size_t word = 0; word < used_words_.load(std::memory_order_acquire); ++word) {
      for (std::uint64_t bits = bits_of(word); bits != 0; bits &= bits - 1) {
        f(arena_.top_of(word * 64 + static_cast<std::size_t>(std::countr_zero(bits))));
      }
    }
  }
  bool is_built(const char* top) const noexcept {
    const std::size_t index = arena_.index_of(top);
    return (bits_of(index / 64) >> (index % 64) & 1) != 0;
  }

  // Free stacks that still hold memory. Only a hint for a caller that does not hold the lock.
  std::size_t spare() const noexcept { return spare_.load(std::memory_order_relaxed); }

  // A period has passed: stacks that were not taken meanwhile become older.
  void age() noexcept;
  // Closes up to `most` old stacks and returns how many. Each costs about a microsecond. Before it
  // closes a stack, it calls settle(), which waits until no carrier uses the stack any more.
  std::size_t trim(std::size_t most, void (*settle)(const stack&)) noexcept;

 private:
  // (O) acquire: pairs with the release in build(); publishes the record.
  std::uint64_t bits_of(std::size_t word) const noexcept {
    return std::atomic_ref(built_.get()[word]).load(std::memory_order_acquire);
  }

  struct list {
    stack* first = nullptr;  // of the newest chain
    stack* last = nullptr;   // of the oldest

    stack* pop() noexcept;
    stack* pop_chain() noexcept;
    void push(stack& one) noexcept;
    void push_chain(stack& chain, std::size_t length) noexcept;
    void append(list& other) noexcept;  // empties the other
  };

  // Called under the lock. Relaxed: only a hint for others.
  void count(std::ptrdiff_t change) noexcept {
    spare_.store(spare() + static_cast<std::size_t>(change), std::memory_order_relaxed);
  }

  stack_arena arena_;
  unsigned size_class_;
  build_stack build_;
  // A bit for each slot: whether it has a record. Zero pages until used.
  struct freeing {
    void operator()(std::uint64_t* bits) const noexcept;
  };
  std::unique_ptr<std::uint64_t, freeing> built_;
  std::atomic<std::size_t> used_words_{0};  // no bit is set from this word on; grows in build()
  detail::spin_lock lock_;
  list recent_, aging_, old_;          // guarded by lock_
  std::atomic<std::size_t> spare_{0};  // written under lock_
};

}  // namespace hilo::context
