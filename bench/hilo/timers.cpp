// Sleeping: how much processor time many timers take, and how late they are.
#include <chrono>
#include <vector>

#include "hilo/hilo.hpp"

#include "bench/harness.hpp"
#include "bench/hilo/workloads.hpp"
#include "bench/workloads.hpp"

namespace bench {
namespace {

void sleepers(benchmark::State& state, unsigned carriers, std::uint64_t fibers,
              std::uint64_t sleeps, const char* name) {
  using clock = std::chrono::steady_clock;
  std::vector<double> late(fibers * sleeps);  // milliseconds
  hilo::run({.carriers = carriers}, [&] {
    std::vector<hilo::fiber<void>> all;
    all.reserve(fibers);
    for (auto _ : state) {
      const double before = cpu_milliseconds();
      for (std::uint64_t i = 0; i < fibers; ++i) {
        all.push_back(hilo::spawn([&late, i, sleeps] {
          for (std::uint64_t n = i * sleeps; n < (i + 1) * sleeps; ++n) {
            const clock::time_point due = clock::now() + sleep_time(n);
            hilo::sleep_until(due);
            late[n] = std::chrono::duration<double, std::milli>(clock::now() - due).count();
          }
        }));
      }
      for (auto& fiber : all) fiber.join();
      set_figure(state, name, cpu_milliseconds() - before);
    }
  });
  set_lateness(state, name, std::move(late));
}

}  // namespace

void timers(benchmark::State& state, unsigned carriers) {
  sleepers(state, carriers, timer_fibers, timer_sleeps, "timers");
}

void timers_storm(benchmark::State& state, unsigned carriers) {
  sleepers(state, carriers, storm_fibers, 1, "timers_storm");
}

}  // namespace bench
