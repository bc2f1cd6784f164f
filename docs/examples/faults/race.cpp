// Two fibers add to one number, each on a carrier of its own and without a lock.
#include <cstdio>
#include <hilo/hilo.hpp>

long sold = 0;

void sell() {
  for (int i = 0; i < 5'000'000; ++i) ++sold;
}

int main() {
  hilo::run({.carriers = 2}, [] {
    hilo::scope shop;
    (void)shop.spawn(sell);
    (void)shop.spawn(sell);
    (void)shop.join();
  });
  std::printf("%ld sold\n", sold);
}
