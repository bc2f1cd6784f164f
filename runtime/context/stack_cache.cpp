#include "runtime/context/stack_cache.hpp"

#include <utility>

namespace hilo::context {

stack* stack_cache::refill(stack_pool& pool, int& error) noexcept {
  // What is there already comes before new memory: others' stacks, then our opened slots, then
  // closed ones, whose pages the kernel has to make again.
  if ((free_ = pool.take_list(exchange, count_)) != nullptr) return take_free();
  if (fresh_count_ == 0) {
    if (char* top = pool.reopen()) return pool.build(top);
    const stack_arena::batch opened = pool.open(open_batch);
    if (opened.count == 0) {
      error = opened.error;
      return nullptr;
    }
    fresh_top_ = opened.first_top;
    fresh_count_ = opened.count;
  }
  --fresh_count_;
  return pool.build(std::exchange(fresh_top_, fresh_top_ + pool.arena().stride()));
}

void stack_cache::spill(std::size_t count) noexcept {
  // The newest stay: they are the warm ones. Walk past them and cut the list behind.
  const std::size_t kept = count_ - count;
  stack** cut = &free_;
  for (std::size_t i = 0; i < kept; ++i) cut = &(*cut)->next_free;
  stack* const first = std::exchange(*cut, nullptr);
  stack* last = first;
  while (last->next_free != nullptr) last = last->next_free;
  first->pool->give_list(first, last, count);
  count_ = kept;
}

}  // namespace hilo::context
