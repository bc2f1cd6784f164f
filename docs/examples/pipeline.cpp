// A pipeline whose slowest stage sets the pace: each stage waits for room in the channel behind it,
// so what is under way is bounded, however fast the first stage is.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <hilo/hilo.hpp>
#include <utility>

using namespace std::chrono_literals;

int main() {
  hilo::run([] {
    constexpr int count = 300;
    constexpr int capacity = 4;
    constexpr int workers = 3;
    auto [made_out, made_in] = hilo::make_channel<int>(capacity);
    auto [done_out, done_in] = hilo::make_channel<int>(capacity);
    std::atomic<int> made{0};
    auto producer = hilo::spawn([&made, out = std::move(made_out)] {
      for (int n = 1; n <= count; ++n) {
        made.fetch_add(1, std::memory_order_relaxed);
        if (out.send(n) != hilo::status::ok) return;
      }
    });
    for (int i = 0; i < workers; ++i) {
      hilo::spawn([in = made_in, out = done_out] {
        for (int n : in) {
          hilo::sleep_for(10us);
          if (out.send(n * 2) != hilo::status::ok) return;
        }
      }).detach();
    }
    { auto last = std::move(done_out); }  // the workers have copies; the last to go closes

    long sum = 0;
    int received = 0;
    int most = 0;
    for (int n : done_in) {
      most = std::max(most, made.load(std::memory_order_relaxed) - received++);
      sum += n;
    }
    producer.join();
    // Two full channels, one value with each worker, one with the producer and one here.
    constexpr int bound = 2 * capacity + workers + 2;
    std::printf("%d values, their sum is %ld\n", received, sum);
    std::printf("no more than %d were under way at once: %s\n", bound,
                most <= bound ? "true" : "false");
  });
}
