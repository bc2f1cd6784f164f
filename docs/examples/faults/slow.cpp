// Handlers that compute for a moment, and one that computes for a second.
#include <chrono>
#include <cstdio>
#include <hilo/hilo.hpp>

using namespace std::chrono_literals;

// How many of the numbers below `limit` are prime.
int count_primes(int limit) {
  int count = 0;
  for (int number = 2; number < limit; ++number) {
    int divisor = 2;
    while (divisor * divisor <= number && number % divisor != 0) ++divisor;
    if (divisor * divisor > number) ++count;
  }
  return count;
}

void handle(int order) {
  const int limit = order == 7 ? 3'000'000 : 1000;
  std::printf("order %d: %d\n", order, count_primes(limit));
}

int main() {
  hilo::run({.carriers = 2, .report_busy_after = 100ms}, [] {
    hilo::scope handlers;
    for (int order = 0; order < 20; ++order) {
      (void)handlers.spawn([order] { handle(order); });
    }
    (void)handlers.join();
  });
}
