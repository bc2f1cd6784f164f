// How far apart the two CPUs are on which a benchmark with two carriers runs: prints the time that
// a cache line takes to the other CPU and back, as driver.py wants it. On a virtual machine it
// changes from minute to minute, and with it whatever two carriers share.
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include <sched.h>

#include "bench/one_cpu.hpp"

namespace {

constexpr unsigned rounds = 2'000;

std::vector<int> allowed_cpus() {
  cpu_set_t allowed;
  std::vector<int> found;
  if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0) return found;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &allowed)) found.push_back(cpu);
  return found;
}

// An even number: the first CPU stores the next. An odd number: the second CPU does. The queues
// between carriers use acquire and release too.
alignas(128) std::atomic<unsigned> ball = 0;

void return_balls(int cpu, unsigned last) {
  bench::run_on(cpu);
  for (unsigned mine = 1; mine < last; mine += 2) {
    while (ball.load(std::memory_order_acquire) != mine) {
    }
    ball.store(mine + 1, std::memory_order_release);
  }
}

// The nanoseconds of one round trip.
double play(unsigned first) {
  const auto start = std::chrono::steady_clock::now();
  for (unsigned mine = first; mine < first + 2 * rounds; mine += 2) {
    ball.store(mine + 1, std::memory_order_release);
    while (ball.load(std::memory_order_acquire) != mine + 2) {
    }
  }
  const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
  return took.count() / rounds;
}

}  // namespace

int main() {
  const std::vector<int> cpus = allowed_cpus();
  if (cpus.size() < 2) {
    std::puts("{\"skip\": \"needs 2 CPUs\"}");
    return 0;
  }
  std::array<double, 5> trips{};
  std::thread other(return_balls, cpus[1], static_cast<unsigned>(2 * rounds * trips.size()));
  bench::run_on(cpus[0]);
  unsigned first = 0;
  for (double& trip : trips) {
    trip = play(first);
    first += 2 * rounds;
  }
  other.join();
  // The median: a thread may lose its CPU, and the first ball waits for the other thread.
  std::nth_element(trips.begin(), trips.begin() + trips.size() / 2, trips.end());
  std::printf("{\"round_trip\": %.1f}\n", trips[trips.size() / 2]);
}
