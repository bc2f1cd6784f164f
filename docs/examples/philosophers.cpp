// Five dining philosophers. Each takes two forks, and nobody starves: a table with four seats
// always leaves one of those who sit with both forks, and the locks are handed over in the order of
// asking.
#include <array>
#include <cstddef>
#include <cstdio>
#include <hilo/hilo.hpp>
#include <mutex>

namespace {

constexpr std::size_t count = 5;
constexpr int meals = 1000;

struct table {
  hilo::semaphore seats{count - 1};
  std::array<hilo::mutex, count> forks;
  std::array<int, count> uses{};  // each guarded by its fork
};

void dine(table& at, std::size_t me) {
  const std::size_t left = me;
  const std::size_t right = (me + 1) % count;
  for (int meal = 0; meal < meals; ++meal) {
    at.seats.acquire();
    {
      const std::scoped_lock one(at.forks[left]);
      hilo::yield();  // the others may do the same just now
      const std::scoped_lock other(at.forks[right]);
      ++at.uses[left];
      ++at.uses[right];
    }
    at.seats.release();
  }
}

}  // namespace

int main() {
  hilo::run([] {
    table room;
    hilo::scope<> philosophers;
    for (std::size_t i = 0; i < count; ++i) {
      (void)philosophers.spawn([&room, i] { dine(room, i); });
    }
    philosophers.join();
    for (const int uses : room.uses) std::printf("a fork was used %d times\n", uses);
  });
}
