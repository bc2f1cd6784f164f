#include "runtime/sched/current.hpp"

namespace hilo::sched {

extern "C" {
[[gnu::visibility("hidden"), gnu::tls_model("initial-exec"),
  gnu::used]] constinit thread_local worker* hilo_current_worker = nullptr;
}

// Called by a carrier on its own stack only.
void set_current_worker(worker* one) noexcept {
  hilo_current_worker = one;
}

#if !defined(__x86_64__)
[[gnu::noinline]] worker* current_worker() noexcept {
  asm volatile("" ::: "memory");
  return hilo_current_worker;
}
#endif

}  // namespace hilo::sched
