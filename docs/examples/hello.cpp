#include <cstdio>
#include <hilo/hilo.hpp>
#include <vector>

int main() {
  hilo::run([] {
    hilo::channel<long> squares;
    std::vector<hilo::fiber<void>> senders;
    for (long n = 1; n <= 1000; ++n)
      senders.push_back(hilo::spawn([&, n] { (void)squares.send(n * n); }));
    long sum = 0;
    for (std::size_t i = 0; i < senders.size(); ++i) sum += squares.receive().value();
    std::printf("1,000 fibers sent their squares; the sum is %ld\n", sum);
  });
}
