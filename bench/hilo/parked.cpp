// Many fibers that only wait: what they cost in memory, and in time while nothing happens.
#include <atomic>
#include <chrono>
#include <vector>

#include "hilo/hilo.hpp"

#include "bench/harness.hpp"
#include "bench/hilo/workloads.hpp"
#include "bench/workloads.hpp"

namespace bench {
namespace {

// Parks so many fibers, each waiting for a message, calls measure(memory before the first), and
// ends them. With one carrier, a fiber that has counted itself has parked by the time the spawner
// runs again.
void with_parked(benchmark::State& state, unsigned carriers, std::uint64_t count, auto measure) {
  hilo::run({.carriers = carriers}, [&] {
    hilo::channel<bool> release;
    std::atomic<std::uint64_t> parked = 0;
    std::vector<hilo::fiber<void>> fibers;
    fibers.reserve(count);
    const memory_use before = current_memory();
    for (auto _ : state) {
      for (std::uint64_t i = 0; i < count; ++i) {
        fibers.push_back(hilo::spawn([&] {
          // relaxed: only the count matters.
          parked.fetch_add(1, std::memory_order_relaxed);
          (void)release.receive();
        }));
      }
      while (parked.load(std::memory_order_relaxed) != count) hilo::yield();
    }
    measure(before);
    release.close();
    for (auto& fiber : fibers) fiber.join();
  });
}

}  // namespace

void memory(benchmark::State& state, unsigned carriers) {
  with_parked(state, carriers, parked_fibers, [&](const memory_use& before) {
    set_memory(state, "memory", before, double(parked_fibers));
  });
}

void memory_1m(benchmark::State& state, unsigned carriers) {
  with_parked(state, carriers, a_million, [&](const memory_use& before) {
    set_memory(state, "memory_1m", before, double(a_million));
  });
}

void idle(benchmark::State& state, unsigned carriers) {
  with_parked(state, carriers, parked_fibers, [&](const memory_use&) {
    const double before = cpu_milliseconds();
    hilo::sleep_for(std::chrono::seconds(1));
    set_figure(state, "idle", cpu_milliseconds() - before);
  });
}

}  // namespace bench
