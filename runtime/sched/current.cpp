#include "runtime/sched/current.hpp"

#include "hilo/detail/api.hpp"

namespace hilo::sched {

// Read by name in the accessor's assembly, in programs too.
extern "C" {
[[gnu::tls_model("initial-exec"),
  gnu::used]] HILO_API constinit thread_local worker* hilo_current_worker = nullptr;
}

// Called by a carrier on its own stack only.
void set_current_worker(worker* one) noexcept {
  hilo_current_worker = one;
}

}  // namespace hilo::sched

#if !defined(__x86_64__)
namespace hilo::detail {

[[gnu::noinline]] carrier* current_carrier() noexcept {
  asm volatile("" ::: "memory");
  return reinterpret_cast<carrier*>(sched::hilo_current_worker);
}

}  // namespace hilo::detail
#endif
