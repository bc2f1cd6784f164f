// Dijkstra's dining philosophers, who each take the left fork and then the right one. When all have
// their left one at the same time, they wait for each other for ever. On real carriers that takes
// luck; a simulation finds it, and names who waits for what. It is gone when one of them takes the
// right fork first.
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <hilo/hilo.hpp>
#include <mutex>
#include <string>
#include <utility>

namespace {

using namespace std::chrono_literals;

constexpr std::size_t seats = 5;

template <bool OneIsLeftHanded>
void dine() {
  std::array<hilo::mutex, seats> forks;
  std::array<hilo::fiber<void>, seats> philosophers;
  for (std::size_t i = 0; i < seats; ++i) {
    const std::string name = "philosopher " + std::to_string(i);
    philosophers[i] = hilo::spawn(hilo::spawn_options{.name = name}, [&forks, i] {
      std::size_t first = i;
      std::size_t second = (i + 1) % seats;
      if (OneIsLeftHanded && i == 0) std::swap(first, second);
      for (int meal = 0; meal < 3; ++meal) {
        hilo::sleep_for(1h);  // thinks
        const std::scoped_lock one(forks[first]);
        const std::scoped_lock other(forks[second]);
      }
    });
  }
  for (auto& one : philosophers) one.join();
}

}  // namespace

int main() {
  try {
    hilo::explore({.seeds = 10'000}, dine<false>);
    std::puts("all take the left fork first: nothing found");
  } catch (const hilo::simulation_failure& failure) {
    std::puts("all take the left fork first: deadlock");
    for (const hilo::waiting_fiber& one : failure.waiting) {
      std::printf("  fiber #%llu \"%s\" waits for %s\n",
                  static_cast<unsigned long long>(one.id.value), one.name.c_str(),
                  one.waits_for.c_str());
    }
  }
  const auto runs = hilo::explore({.seeds = 1000}, dine<true>).runs;
  std::printf("one takes the right one first: %llu runs, no failure\n",
              static_cast<unsigned long long>(runs));
}
