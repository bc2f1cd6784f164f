#include "runtime/sched/queues/random.hpp"

#include "runtime/sched/worker.hpp"

namespace hilo::sched {

std::uint32_t random_below(std::uint32_t count) noexcept {
  return random_word() % count;
}

std::uint32_t random_word() noexcept {
  if (worker* const here = current_worker()) return here->random();
  // Marsaglia's xorshift (Journal of Statistical Software 8, 2003); each thread starts elsewhere.
  static thread_local std::uint32_t state =
      static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(&state) >> 6) | 1;
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return state;
}

}  // namespace hilo::sched
