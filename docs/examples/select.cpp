// A counter that two producers feed, that answers questions, and that ends by itself when nobody
// needs it for a while.
#include <chrono>
#include <cstdio>
#include <hilo/hilo.hpp>
#include <optional>

using namespace std::chrono_literals;

int main() {
  hilo::run([] {
    hilo::channel<int> numbers;
    hilo::channel<long> answers;
    auto counter = hilo::spawn([&] {
      long sum = 0;
      for (std::optional<int> number;;) {
        switch (hilo::select{hilo::receive_from(numbers, number), hilo::send_to(answers, sum),
                             hilo::after(50ms)}) {
          case 0:
            sum += *number;
            break;
          case 1:
            break;
          default:
            return sum;
        }
      }
    });
    hilo::scope<> producers;
    for (int start : {1, 1001}) {
      (void)producers.spawn([&numbers, start] {
        for (int i = start; i < start + 100; ++i) {
          if (numbers.send(i) != hilo::status::ok) return;
        }
      });
    }
    producers.join();
    std::printf("the sum is %ld\n", *answers.receive());
    std::printf("and was %ld at the end\n", counter.join());
  });
}
