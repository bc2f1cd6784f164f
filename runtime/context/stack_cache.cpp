#include "runtime/context/stack_cache.hpp"

#include <algorithm>
#include <utility>

namespace hilo::context {

stack* stack_cache::refill(stack_pool& pool, int& error) noexcept {
  // The order of sources: our own free stacks, stacks from the pool, slots that we opened, closed
  // slots, new slots. Closed slots come late because the kernel has to make their pages again.
  if (full_count_ != 0) {
    free_ = full_[--full_count_];
    count_ = stack_pool::longest_chain;
    return take_free();
  }
  if ((free_ = pool.take_chain(count_)) != nullptr) return take_free();
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

// Makes free_ empty. The oldest stacks go to the pool, because the newest are the warm ones.
void stack_cache::put_aside() noexcept {
  if (full_count_ == most_full) {
    full_[0]->pool->give_chain(*full_[0], stack_pool::longest_chain);
    std::move(full_.begin() + 1, full_.end(), full_.begin());
    --full_count_;
  }
  full_[full_count_++] = std::exchange(free_, nullptr);
  count_ = 0;
}

void stack_cache::spill_all() noexcept {
  for (std::size_t i = 0; i < full_count_; ++i) {
    full_[i]->pool->give_chain(*full_[i], stack_pool::longest_chain);
  }
  full_count_ = 0;
  if (count_ == 0) return;
  free_->pool->give_chain(*free_, count_);
  free_ = nullptr;
  count_ = 0;
}

}  // namespace hilo::context
