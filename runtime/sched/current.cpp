#include "runtime/sched/current.hpp"

#include "hilo/detail/api.hpp"

#include "runtime/thread/cpu.hpp"

namespace hilo::sched {

// The accessor's assembly reads it by name, in user programs too.
extern "C" {
[[gnu::tls_model("initial-exec"),
  gnu::used]] HILO_API constinit thread_local worker* hilo_current_worker = nullptr;
}

// Called only by a carrier on its own stack.
void set_current_worker(worker* one) noexcept {
  hilo_current_worker = one;
}

// The variable lies at the same place in every thread block: that is what initial-exec means.
void set_current_worker_in(void* thread_pointer, worker* one) noexcept {
  const auto offset = reinterpret_cast<char*>(&hilo_current_worker) -
                      static_cast<char*>(kernel::cpu::thread_pointer());
  *reinterpret_cast<worker**>(static_cast<char*>(thread_pointer) + offset) = one;
}

}  // namespace hilo::sched
