#include "runtime/sched/fibers/user_stacks.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <mutex>
#include <new>

#include "runtime/base/align.hpp"
#include "runtime/base/error.hpp"
#include "runtime/sched/fibers/fiber.hpp"

namespace hilo::sched {
namespace {

constexpr std::size_t frame_alignment = 16;

}  // namespace

fiber& user_stacks::add(std::span<std::byte> memory) {
  if (memory.size() < stack_least) {
    base::fail(EINVAL, "spawn a fiber",
               "spawn_options.stack has " + base::format_bytes(memory.size()) +
                   "; it must have at least " + base::format_bytes(stack_least) +
                   " (hilo::stack_least)");
  }
  auto* const begin = reinterpret_cast<char*>(memory.data());
  char* const top = base::align_down(begin + memory.size(), alignof(fiber));
  char* const low = base::align_down(begin + frame_alignment - 1, frame_alignment);
  auto* const one = ::new (static_cast<void*>(top - sizeof(fiber))) fiber;
  one->top = top;
  one->chain_length = static_cast<std::size_t>(top - low);
  one->stop_made.store(stop_state::user_stack, std::memory_order_relaxed);
  registered_.add(low, one->chain_length, 0, 1);
  const std::scoped_lock guard(*this);
  all_.push_back(one);
  return *one;
}

void user_stacks::remove(fiber& one) noexcept {
  const std::scoped_lock guard(*this);
  std::erase(all_, &one);
}

bool user_stacks::has(const fiber& one) const noexcept {
  return std::find(all_.begin(), all_.end(), &one) != all_.end();
}

}  // namespace hilo::sched
