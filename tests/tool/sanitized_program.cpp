// Built with a sanitizer, against a hilo that was built without: foreign_sanitizer.py runs it.
#include <array>
#include <cstdio>
#include <numeric>
#include <stdexcept>
#include <vector>

#include "hilo/hilo.hpp"

namespace {

[[gnu::noinline]] int deep(int n) {
  std::array<volatile int, 64> frame{};
  frame[static_cast<std::size_t>(n) % frame.size()] = n;
  if (n == 0) throw std::runtime_error("the bottom");
  return deep(n - 1) + frame[0];
}

int caught() {
  try {
    return deep(20);
  } catch (const std::runtime_error&) {
    hilo::yield();  // inside the handler
    return 1;
  }
}

}  // namespace

int main() {
  int in_thread = 0;
  hilo::thread([&] { in_thread = caught(); }).join();
  const int in_fibers = hilo::run({.carriers = 2}, [] {
    std::vector<hilo::fiber<int>> all;
    for (int i = 0; i < 200; ++i) all.push_back(hilo::spawn(caught));
    return std::accumulate(all.begin(), all.end(), 0,
                           [](int sum, hilo::fiber<int>& one) { return sum + one.join(); });
  });
  std::printf("%d %d\n", in_thread, in_fibers);
}
