#include "runtime/context/stack_cache.hpp"

#include <mutex>

namespace hilo::context {

stack_pool::stack_pool(std::size_t stack_size, std::size_t reserve, unsigned size_class,
                       build_stack build)
    : arena_(stack_size, reserve), size_class_(size_class), build_(build) {}

stack* stack_pool::take(int& error) noexcept {
  std::size_t index = 0;
  {
    const std::scoped_lock guard(lock_);
    if (stack* one = free_) {
      free_ = one->next_free;
      --free_count_;
      return one;
    }
    index = built_++;
  }
  const stack_arena::batch one = arena_.open(1);
  if (one.count == 0) {
    error = one.error;
    return nullptr;
  }
  return build_(one.first_top, index, *this);
}

void stack_pool::give(stack* one) noexcept {
  give_list(one, one, 1);
}

stack* stack_pool::take_list(std::size_t wanted, std::size_t& count) noexcept {
  const std::scoped_lock guard(lock_);
  stack* const first = free_;
  stack* last = nullptr;
  for (count = 0; count < wanted && free_ != nullptr; ++count) {
    last = free_;
    free_ = free_->next_free;
  }
  free_count_ -= count;
  if (last != nullptr) last->next_free = nullptr;
  return count == 0 ? nullptr : first;
}

void stack_pool::give_list(stack* first, stack* last, std::size_t count) noexcept {
  const std::scoped_lock guard(lock_);
  last->next_free = free_;
  free_ = first;
  free_count_ += count;
}

stack* stack_cache::refill(stack_pool& pool, int& error) noexcept {
  if (fresh_count_ == 0) {
    // What other workers gave back comes before new memory.
    if ((free_ = pool.take_list(exchange, count_)) != nullptr) return take_free();
    const stack_arena::batch opened = pool.arena_.open(open_batch);
    if (opened.count == 0) {
      error = opened.error;
      return nullptr;
    }
    fresh_top_ = opened.first_top;
    fresh_count_ = opened.count;
    const std::scoped_lock guard(pool.lock_);
    fresh_index_ = std::exchange(pool.built_, pool.built_ + opened.count);
  }
  char* const top = std::exchange(fresh_top_, fresh_top_ + pool.arena_.stride());
  --fresh_count_;
  return pool.build_(top, fresh_index_++, pool);
}

void stack_cache::spill(stack_pool& pool) noexcept {
  // The newest stay: they are the warm ones. Walk past them and cut the list behind.
  stack* last_kept = free_;
  const std::size_t kept = count_ - exchange;
  for (std::size_t i = 1; i < kept; ++i) last_kept = last_kept->next_free;
  stack* const first = std::exchange(last_kept->next_free, nullptr);
  stack* last = first;
  while (last->next_free != nullptr) last = last->next_free;
  pool.give_list(first, last, exchange);
  count_ = kept;
}

}  // namespace hilo::context
