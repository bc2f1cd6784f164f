#include "runtime/thread/record_cache.hpp"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <mutex>
#include <system_error>
#include <utility>

namespace hilo::kernel {

template <class Make>
auto record_cache::with_spare_memory(Make make) {
  try {
    return make();
  } catch (const std::system_error& error) {
    if (error.code().value() != ENOMEM || !drop_stacks()) throw;
  }
  return make();
}

record* record_cache::acquire(const thread_options& options, const libc_layout& layout) {
  // relaxed: a thread missed now is seen the next time; reap() reads again with acquire
  if (leaving_.load(std::memory_order_relaxed) != nullptr) reap();
  record* found = take(options);
  if (found == nullptr) {
    found = with_spare_memory([&] {
      auto made = std::make_unique<record>();
      made->block = thread_block::allocate(layout);
      made->layout = &layout;
      return made.release();
    });
  }
  if (!found->memory.serves(options)) {
    try {
      found->memory = with_spare_memory([&] { return stack::map(options); });
    } catch (...) {
      release(found);
      throw;
    }
    found->block.describe_stack(layout, found->memory);
  }
  found->block.join_list(layout);
  return found;
}

bool record_cache::drop_stacks() noexcept {
  reap();
  const std::lock_guard guard(lock_);
  const bool any = stacks_ > 0;
  while (stacks_ > 0) {
    record* const each = stacked_[--stacks_];
    each->memory = stack();
    each->next = std::exchange(blocks_, each);
  }
  return any;
}

record* record_cache::take_stacked(std::size_t index) noexcept {
  record* const found = stacked_[index];
  std::copy(stacked_.begin() + index + 1, stacked_.begin() + stacks_, stacked_.begin() + index);
  --stacks_;
  return found;
}

record* record_cache::take(const thread_options& options) noexcept {
  const std::lock_guard guard(lock_);
  for (std::size_t i = stacks_; i-- > 0;) {
    if (stacked_[i]->memory.serves(options)) return take_stacked(i);
  }
  if (blocks_ != nullptr) return std::exchange(blocks_, blocks_->next);
  // A stack that does not fit is replaced only if there is no room to keep it.
  return stacks_ == stacks_kept ? take_stacked(0) : nullptr;
}

void record_cache::release(record* free) noexcept {
  // relaxed: published by the lock
  free->owner.store(release_by::handle, std::memory_order_relaxed);
  stack surplus;  // declared before the guard: unmapped after the lock
  const std::lock_guard guard(lock_);
  if (!free->memory) {
    free->next = std::exchange(blocks_, free);
    return;
  }
  free->memory.forget_frames();
  if (stacks_ == stacks_kept) {
    record* const oldest = take_stacked(0);
    surplus = std::move(oldest->memory);
    oldest->next = std::exchange(blocks_, oldest);
  }
  stacked_[stacks_++] = free;
}

void record_cache::release_when_gone(record* leaving) noexcept {
  record* head = leaving_.load(std::memory_order_relaxed);  // only a guess for the exchange
  do {
    leaving->next = head;
    // (R1) release: publishes `next`; pairs with (R2)
  } while (!leaving_.compare_exchange_weak(head, leaving, std::memory_order_release,
                                           std::memory_order_relaxed));
}

void record_cache::reap() noexcept {
  // (R2) acquire: the list as (R1) left it
  record* list = leaving_.exchange(nullptr, std::memory_order_acquire);
  while (list != nullptr) {
    record* const each = std::exchange(list, list->next);
    // acquire: as in a join: everything that the thread did happens before its stack is used again
    if (each->alive.load(std::memory_order_acquire) == 0) {
      release(each);
    } else {
      release_when_gone(each);
    }
  }
}

}  // namespace hilo::kernel
