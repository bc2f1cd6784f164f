#include "runtime/context/stack_pool.hpp"

#include <mutex>
#include <utility>

namespace hilo::context {

stack* stack_pool::list::pop() noexcept {
  stack* const one = first;
  if (one == nullptr) return nullptr;
  first = one->next_free;
  if (first == nullptr) last = nullptr;
  return one;
}

void stack_pool::list::push(stack* from, stack* to) noexcept {
  to->next_free = first;
  if (first == nullptr) last = to;
  first = from;
}

void stack_pool::list::append(list& other) noexcept {
  if (other.first == nullptr) return;
  (last != nullptr ? last->next_free : first) = other.first;
  last = other.last;
  other = {};
}

stack_pool::stack_pool(std::size_t stack_size, std::size_t reserve, unsigned size_class,
                       build_stack build, bool unguarded)
    : arena_(stack_size, reserve, unguarded), size_class_(size_class), build_(build) {}

stack* stack_pool::pop_any() noexcept {
  for (list* each : {&recent_, &aging_, &old_}) {
    if (stack* one = each->pop()) return one;
  }
  return nullptr;
}

stack* stack_pool::take(int& error) noexcept {
  std::size_t count = 0;
  if (stack* one = take_list(1, count)) return one;
  if (char* top = reopen()) return build(top);
  const stack_arena::batch one = open(1);
  error = one.error;
  return one.count == 0 ? nullptr : build(one.first_top);
}

void stack_pool::give(stack* one) noexcept {
  give_list(one, one, 1);
}

stack* stack_pool::take_list(std::size_t wanted, std::size_t& count) noexcept {
  const std::scoped_lock guard(lock_);
  stack* first = nullptr;
  stack** end = &first;
  for (count = 0; count < wanted; ++count) {
    stack* const one = pop_any();
    if (one == nullptr) break;
    *end = one;
    end = &one->next_free;
  }
  *end = nullptr;
  spare_.store(spare() - count, std::memory_order_relaxed);  // a hint; lock_ orders writers
  return first;
}

void stack_pool::give_list(stack* first, stack* last, std::size_t count) noexcept {
  const std::scoped_lock guard(lock_);
  recent_.push(first, last);
  spare_.store(spare() + count, std::memory_order_relaxed);  // as above
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
      spare_.store(spare() - 1, std::memory_order_relaxed);  // as above
    }
    settle(*one);
    arena_.close(one->top);
  }
  return trimmed;
}

}  // namespace hilo::context
