// Fibers that belong to a block: results in order, a limit on how many run, the first failure stops
// the others, and a time limit around all of it.
#include <chrono>
#include <cstdio>
#include <hilo/hilo.hpp>
#include <stdexcept>

using namespace std::chrono_literals;

namespace {

int square(int n) {
  hilo::sleep_for(std::chrono::milliseconds(10 - n));  // the last would be ready first
  return n * n;
}

}  // namespace

int main() {
  hilo::run([] {
    hilo::scope<int> squares({.limit = 3});
    for (int i = 1; i < 10; ++i) {
      if (squares.spawn([i] { return square(i); }) != hilo::status::ok) break;
    }
    for (int n : squares.join()) std::printf("%d ", n);
    std::puts("");

    try {
      hilo::when_all([] { hilo::sleep_for(1h); },  // stopped
                     [] { throw std::runtime_error("no such page"); });
    } catch (const std::runtime_error& error) {
      std::printf("failed: %s\n", error.what());
    }

    const char* fastest = hilo::race(
        [] {
          hilo::sleep_for(1h);
          return "tortoise";
        },
        [] { return "hare"; });
    std::printf("the %s wins\n", fastest);

    const hilo::status end = hilo::with_timeout(5ms, [] { return hilo::sleep_for(1h); });
    std::printf("an hour in 5 ms: %s\n", to_string(end));
  });
}
