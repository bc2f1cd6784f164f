// A parallel map: so many calls at a time and no more, results in the order of the values; the
// first exception stops what is under way and comes out.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <functional>
#include <hilo/hilo.hpp>
#include <numeric>
#include <stdexcept>
#include <type_traits>
#include <vector>

using namespace std::chrono_literals;

namespace {

template <class T, class F>
auto parallel_map(const std::vector<T>& values, std::size_t limit, F f) {
  hilo::scope<std::invoke_result_t<F&, const T&>> calls({.limit = limit});
  for (const T& value : values) {
    if (calls.spawn([&] { return std::invoke(f, value); }) != hilo::status::ok) break;
  }
  return calls.join();
}

}  // namespace

int main() {
  hilo::run([] {
    std::vector<int> values(20);
    std::iota(values.begin(), values.end(), 1);
    std::atomic<int> running{0};
    std::atomic<int> most{0};
    const auto squares = parallel_map(values, 4, [&](int n) {
      const int now = running.fetch_add(1, std::memory_order_relaxed) + 1;
      int before = most.load(std::memory_order_relaxed);
      while (before < now && !most.compare_exchange_weak(before, now, std::memory_order_relaxed)) {
      }
      hilo::sleep_for(std::chrono::milliseconds(n % 3));
      running.fetch_sub(1, std::memory_order_relaxed);
      return n * n;
    });
    for (const int n : squares) std::printf("%d ", n);
    std::printf("\nat most 4 at a time: %s\n",
                most.load(std::memory_order_relaxed) <= 4 ? "true" : "false");
    try {
      (void)parallel_map(values, 4, [](int n) {
        if (n == 7) throw std::runtime_error("7 is unlucky");
        (void)hilo::sleep_for(n > 4 ? 1h : 0s);  // stopped
        return n;
      });
    } catch (const std::runtime_error& error) {
      std::printf("failed: %s\n", error.what());
    }
  });
}
