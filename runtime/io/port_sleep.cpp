#include "runtime/io/port_sleep.hpp"

#include <algorithm>
#include <ctime>

#include "hilo/detail/fence.hpp"

#include "runtime/sched/watch/busy_report.hpp"
#include "runtime/sched/worker.hpp"
#include "runtime/sys/syscall.hpp"

namespace hilo::io {
namespace {

constexpr std::int64_t short_sleep = 5'000'000;  // ns; guess
// A sleeper that has its CPU leaves at the first or second signal. After so many, signals do not
// reach it: it blocks them.
constexpr int most_signals = 100;

}  // namespace

std::int64_t port_sleep::begin(std::int64_t longest) noexcept {
  const auto id = static_cast<std::uint32_t>(sched::current_worker()->its_carrier().id());
  carrier_.store(++sleeps_ << 32 | id, std::memory_order_relaxed);  // (Z1)
  detail::light_fence();
  if (!lost()) [[likely]]  // (Z2)
    return longest;
  return longest < 0 ? short_sleep : std::min(longest, short_sleep);
}

void port_sleep::interrupt() noexcept {
  constexpr timespec moment{.tv_sec = 0, .tv_nsec = 1'000'000};
  lost_.store(true, std::memory_order_relaxed);  // (Z3)
  detail::heavy_fence();
  const std::uint64_t seen = carrier_.load(std::memory_order_relaxed);  // (Z4)
  if (seen == 0) return;
  for (int sent = 0; sent < most_signals; ++sent) {
    if (carrier_.load(std::memory_order_relaxed) != seen) return;
    if (!sched::interrupt_call(static_cast<int>(seen & 0xffffffff))) return;
    (void)sys::call(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &moment, nullptr);
  }
}

}  // namespace hilo::io
