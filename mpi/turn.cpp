#include "mpi/turn.hpp"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include <sched.h>

#include "hilo/detail/decision.hpp"
#include "hilo/fiber.hpp"

namespace hilo::mpi::detail {
namespace {

constexpr int unknown = -1;
// relaxed: it has one value, which each thread may find for itself
std::atomic<int> level{unknown};
hilo::detail::spin_lock one_at_a_time;

// One pause at the gate. A caller is inside for one call of MPI, but may have lost its CPU, also to
// a thread that waits here with a higher real-time priority.
void wait_at_gate(int round) noexcept {
  constexpr int yields = 64;  // guess: then the caller inside is not merely off its CPU
  if (round < yields) {
    ::sched_yield();
  } else {
    const timespec nap{.tv_sec = 0, .tv_nsec = 50'000};
    ::nanosleep(&nap, nullptr);
  }
}

}  // namespace

constinit std::atomic<std::uint32_t> turn::gate_{0};

void turn::enter_late() noexcept {
  constexpr int most_rounds = 32;  // guess: some 10 us, in which most calls inside end
  // relaxed: only hints; the exchange acquires
  std::uint32_t seen = gate_.load(std::memory_order_relaxed);
  for (int round = 0;;) {
    if (seen >= cancels || (seen >= waits && round < most_rounds)) {
      wait_at_gate(round++);
      seen = gate_.load(std::memory_order_relaxed);
    } else if (gate_.compare_exchange_weak(seen, seen + 1, std::memory_order_acquire,  // (T4)
                                           std::memory_order_relaxed)) {
      return;
    }
  }
}

// The cancel that enters clears the bit of all cancels that wait. The others set it again.
void turn::enter_alone() noexcept {
  std::uint32_t seen = gate_.load(std::memory_order_relaxed);
  for (int round = 0;;) {
    if ((seen & ~waits) == 0) {
      if (gate_.compare_exchange_weak(seen, cancels, std::memory_order_acquire,  // (T2)
                                      std::memory_order_relaxed)) {
        return;
      }
    } else {
      // relaxed: it publishes nothing
      gate_.fetch_or(waits, std::memory_order_relaxed);
      wait_at_gate(round++);
      seen = gate_.load(std::memory_order_relaxed);
    }
  }
}

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
