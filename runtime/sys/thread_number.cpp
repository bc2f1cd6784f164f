#include "hilo/detail/thread_number.hpp"

#include <atomic>

namespace hilo::detail {
namespace {

constinit std::atomic<std::uint32_t> last_number{0};

}  // namespace

// The accessor's assembly reads it by name, in user programs too.
extern "C" {
[[gnu::tls_model("initial-exec"),
  gnu::used]] HILO_API constinit thread_local std::uint32_t hilo_thread_number = 0;
}

std::uint32_t take_thread_number() noexcept {
  // relaxed: only the number matters
  std::uint32_t last = last_number.load(std::memory_order_relaxed);
  while (last < shared_thread_number &&
         !last_number.compare_exchange_weak(last, last + 1, std::memory_order_relaxed,
                                            std::memory_order_relaxed)) {
  }
  const std::uint32_t mine = last < shared_thread_number ? last + 1 : shared_thread_number;
  hilo_thread_number = mine;
  return mine;
}

}  // namespace hilo::detail
