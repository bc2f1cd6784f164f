#include "runtime/sched/local.hpp"

#include <atomic>
#include <utility>

#include "runtime/sched/worker.hpp"

namespace hilo {
namespace {

// Those of a kernel thread that runs no fiber.
struct thread_locals {
  detail::local_value* first = nullptr;
  ~thread_locals() { sched::destroy_locals(first); }
};
thread_local thread_locals of_thread;

detail::local_value*& first_local() noexcept {
  sched::worker* const here = sched::current_worker();
  return here != nullptr ? here->running().locals : of_thread.first;
}

}  // namespace

namespace detail {

std::uint64_t new_local_key() noexcept {
  static std::atomic<std::uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;  // only has to differ
}

local_value* find_local(std::uint64_t key) noexcept {
  for (local_value* one = first_local(); one != nullptr; one = one->next) {
    if (one->key == key) return one;
  }
  return nullptr;
}

void add_local(local_value& value) noexcept {
  // Asked for again after find_local(): what was called in between may have parked.
  local_value*& first = first_local();
  value.next = first;
  first = &value;
}

}  // namespace detail

void sched::destroy_locals(detail::local_value*& first) noexcept {
  while (first != nullptr) {
    detail::local_value* const one = std::exchange(first, first->next);
    one->destroy(*one);
  }
}

}  // namespace hilo
