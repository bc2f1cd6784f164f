// The heavy side of hilo/detail/fence.hpp.
//
// If a filter comes later. seccomp(2) may begin to refuse membarrier at any time, in all threads at
// once (SECCOMP_FILTER_FLAG_TSYNC). The first call that fails switches the light sides to real
// fences. Two kinds of light sides are still without a fence then:
//   a thread that read the switch before, and is between its store and its load;
//   the owner of a spin_lock, which never reads the switch.
// No system call makes another thread pass a barrier then. An IPI after mprotect is an accident of
// some CPUs, a signal interrupts calls of the user, and a filter that refuses membarrier may refuse
// sched_setaffinity too. So the heavy side waits for `grace`. A store stays in a CPU's store buffer
// for a bounded time: the buffer empties by itself within microseconds, whatever its CPU does
// meanwhile (Morrison and Afek, "Temporally Bounding TSO for Fence-Free Asymmetric
// Synchronization", ASPLOS 2015). A load that follows the store runs ahead of it by less than that,
// because both are in flight in one CPU at once. So after the wait each light side is in one of two
// states. Either its store is visible, and the heavy side's load sees it. Or its store is younger
// than the heavy side's store, and its load sees the heavy side's store:
//
//   light:   (1) store a           heavy:   (3) store b, full fence
//            (2) load b                     wait for `grace`
//                                           (4) load a
//
// Forbidden: (2) sees no b and (4) sees no a. If (2) sees no b, then (2) ran before (3) was
// visible. (1) is visible at most a store buffer's time after (2) ran, which is before the end of
// the wait. The model owned_lock holds with the wait (REFUSED) and fails without it.

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <ctime>

#include <linux/membarrier.h>

#include "hilo/detail/fence.hpp"

#include "runtime/base/cpu.hpp"
#include "runtime/sys/syscall.hpp"

namespace hilo::detail {
namespace {

constexpr std::int64_t grace =
    1'000'000;  // ns; guess: a hundred times the delay of a full store buffer

bool register_process() noexcept {
  return sys::call(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
}

bool fence_all_threads() noexcept {
  const auto attempt = [] {
    return sys::call(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
  };
  long end = attempt();
  if (end == -EPERM && register_process()) end = attempt();
  return end == 0;
}

std::int64_t now() noexcept {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

// Watches the clock: a filter may refuse to sleep as well, and a signal may end a sleep.
void wait_for_grace() noexcept {
  for (const std::int64_t until = now() + grace; now() < until;) {
    const timespec rest{.tv_sec = 0, .tv_nsec = grace / 4};
    if (sys::call(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &rest, nullptr) != 0) base::cpu_relax();
  }
}

// True: every light_fence() is a real fence, and no thread is still inside an older light_fence().
// Written once: by free_light_fence(), or after the first call that failed. (M) release, acquire:
// the writer's wait comes before the reader's load of what light sides stored.
constinit std::atomic<bool> light_fences_are_real{false};

// Whether light_fence_is_free may still become true. Changed by free_light_fence() and by a heavy
// side that was refused. The heavy side must be the last to write light_fence_is_free. (N) release,
// acquire.
enum class chosen : std::uint8_t { nothing, soon, for_good };
constinit std::atomic<chosen> choice{chosen::nothing};

void choose_real_fences() noexcept {
  chosen seen = chosen::nothing;
  while (!choice.compare_exchange_weak(seen, chosen::for_good, std::memory_order_acquire,
                                       std::memory_order_acquire)) {  // (N)
    if (seen == chosen::for_good) break;
    if (seen == chosen::soon) base::cpu_relax();  // some instructions and one system call
    seen = chosen::nothing;
  }
  // relaxed: the caller's fence and wait make it visible
  light_fence_is_free.store(false, std::memory_order_relaxed);
}

}  // namespace

constinit std::atomic<bool> light_fence_is_free{false};

void free_light_fence() noexcept {
  // relaxed: a caller that reads an old value sees the new value in the exchange
  if (choice.load(std::memory_order_relaxed) != chosen::nothing) return;
  chosen seen = chosen::nothing;
  if (!choice.compare_exchange_strong(seen, chosen::soon, std::memory_order_relaxed)) return;
  if (register_process()) {
    // relaxed: either value is right for the light side
    light_fence_is_free.store(true, std::memory_order_relaxed);
  } else {
    light_fences_are_real.store(true, std::memory_order_release);  // (M)
  }
  choice.store(chosen::for_good, std::memory_order_release);  // (N)
}

void heavy_fence() noexcept {
  if (!light_fences_are_real.load(std::memory_order_acquire)) {  // (M)
    if (fence_all_threads()) return;
    heavy_fence_for_owner();
    light_fences_are_real.store(true, std::memory_order_release);  // (M)
  }
  std::atomic_thread_fence(std::memory_order_seq_cst);
}

void heavy_fence_for_owner() noexcept {
  if (fence_all_threads()) return;
  // The fence after it, and the wait, make the switch visible. A thread that reads the switch after
  // that cannot still be inside an older light fence.
  choose_real_fences();
  std::atomic_thread_fence(std::memory_order_seq_cst);
  wait_for_grace();
  std::atomic_thread_fence(std::memory_order_seq_cst);
}

}  // namespace hilo::detail
