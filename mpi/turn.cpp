#include "mpi/turn.hpp"

#include <atomic>
#include <cstdio>
#include <cstdlib>

#include "hilo/detail/decision.hpp"
#include "hilo/fiber.hpp"

namespace hilo::mpi::detail {
namespace {

constexpr int unknown = -1;
// relaxed: it has one value, which each thread may find for itself
std::atomic<int> level{unknown};
hilo::detail::spin_lock one_at_a_time;

}  // namespace

int thread_level() noexcept {
  int known = level.load(std::memory_order_relaxed);
  if (known == unknown) [[unlikely]] {
    int begun = 0;
    PMPI_Initialized(&begun);
    if (begun == 0) return MPI_THREAD_MULTIPLE;  // the call will say what is missing
    PMPI_Query_thread(&known);
    level.store(known, std::memory_order_relaxed);
  }
  return known;
}

bool in_fiber(const char* call) noexcept {
  if (this_fiber::id() == fiber_id{}) return false;
  if (hilo::detail::simulating()) hilo::detail::refuse_simulated(call);
  return true;
}

void refuse_thread(const char* call) noexcept {
  std::fprintf(stderr,
               "hilo: %s in a kernel thread, which has no fibers that could look for the answer; "
               "call it in a fiber\n",
               call);
  std::abort();
}

hilo::detail::spin_lock* turn::take() noexcept {
  if (thread_level() < MPI_THREAD_SERIALIZED) {
    int main = 0;
    PMPI_Is_thread_main(&main);
    if (main == 0) {
      std::fprintf(stderr,
                   "hilo: MPI grants less than MPI_THREAD_SERIALIZED, so only the kernel thread "
                   "that initialised it may call it; make the mpi::session in a fiber of a runtime "
                   "with one carrier, whose stuck_after is 0\n");
      std::abort();
    }
  }
  one_at_a_time.lock();
  return &one_at_a_time;
}

}  // namespace hilo::mpi::detail
