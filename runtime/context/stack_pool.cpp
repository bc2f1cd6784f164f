#include "runtime/context/stack_pool.hpp"

#include <cstdlib>
#include <mutex>
#include <new>
#include <utility>

namespace hilo::context {

stack* stack_pool::list::pop_chain() noexcept {
  stack* const chain = first;
  if (chain == nullptr) return nullptr;
  first = chain->next_chain;
  if (first == nullptr) last = nullptr;
  return chain;
}

void stack_pool::list::push_chain(stack& chain, std::size_t length) noexcept {
  chain.next_chain = first;
  chain.chain_length = length;
  if (first == nullptr) last = &chain;
  first = &chain;
}

stack* stack_pool::list::pop() noexcept {
  stack* const one = pop_chain();
  if (one != nullptr && one->next_free != nullptr) {
    push_chain(*one->next_free, one->chain_length - 1);
  }
  return one;
}

void stack_pool::list::push(stack& one) noexcept {
  one.next_free = nullptr;
  std::size_t length = 0;
  if (first != nullptr && first->chain_length < longest_chain) {
    length = first->chain_length;
    one.next_free = pop_chain();
  }
  push_chain(one, length + 1);
}

void stack_pool::list::append(list& other) noexcept {
  if (other.first == nullptr) return;
  (last != nullptr ? last->next_chain : first) = other.first;
  last = other.last;
  other = {};
}

stack_pool::stack_pool(std::size_t stack_size, std::size_t reserve, unsigned size_class,
                       build_stack build, bool unguarded, std::size_t guard_size)
    : arena_(stack_size, reserve, unguarded, guard_size),
      size_class_(size_class),
      build_(build),
      built_(static_cast<std::uint64_t*>(
          std::calloc(arena_.capacity() / 64 + 1, sizeof(std::uint64_t)))) {
  if (built_ == nullptr) throw std::bad_alloc();
}

void stack_pool::freeing::operator()(std::uint64_t* bits) const noexcept {
  std::free(bits);
}

stack* stack_pool::build(char* top) noexcept {
  const std::size_t index = arena_.index_of(top);
  stack* const made = build_(top, index, *this);
  std::size_t used = used_words_.load(std::memory_order_relaxed);
  while (used <= index / 64 &&
         !used_words_.compare_exchange_weak(used, index / 64 + 1, std::memory_order_release,
                                            std::memory_order_relaxed)) {
  }
  std::atomic_ref(built_.get()[index / 64])
      .fetch_or(std::uint64_t{1} << (index % 64), std::memory_order_release);  // (O)
  return made;
}

stack* stack_pool::take(int& error) noexcept {
  {
    const std::scoped_lock guard(lock_);
    for (list* each : {&recent_, &aging_, &old_}) {
      if (stack* const one = each->pop()) {
        count(-1);
        return one;
      }
    }
  }
  if (char* top = reopen()) return build(top);
  const stack_arena::batch one = open(1);
  error = one.error;
  return one.count == 0 ? nullptr : build(one.first_top);
}

void stack_pool::give(stack* one) noexcept {
  const std::scoped_lock guard(lock_);
  recent_.push(*one);
  count(1);
}

stack* stack_pool::take_chain(std::size_t& length) noexcept {
  const std::scoped_lock guard(lock_);
  for (list* each : {&recent_, &aging_, &old_}) {
    if (stack* const chain = each->pop_chain()) {
      length = chain->chain_length;
      count(-static_cast<std::ptrdiff_t>(length));
      return chain;
    }
  }
  return nullptr;
}

void stack_pool::give_chain(stack& first, std::size_t length) noexcept {
  const std::scoped_lock guard(lock_);
  recent_.push_chain(first, length);
  count(static_cast<std::ptrdiff_t>(length));
}

void stack_pool::age() noexcept {
  const std::scoped_lock guard(lock_);
  old_.append(aging_);
  aging_ = std::exchange(recent_, list{});
}

std::size_t stack_pool::trim(std::size_t most, void (*settle)(const stack&)) noexcept {
  std::size_t trimmed = 0;
  for (; trimmed < most; ++trimmed) {
    stack* one = nullptr;
    {
      const std::scoped_lock guard(lock_);
      one = old_.pop();
      if (one == nullptr) break;
      count(-1);
    }
    settle(*one);
    const std::size_t index = arena_.index_of(one->top);
    // relaxed: a reader of these bits keeps trim() from running
    std::atomic_ref(built_.get()[index / 64])
        .fetch_and(~(std::uint64_t{1} << (index % 64)), std::memory_order_relaxed);
    arena_.close(one->top);
  }
  return trimmed;
}

}  // namespace hilo::context
