// The thread-ring of the benchmarks game: a token goes round a ring of 503 fibers and loses one at
// each; who gets it when nothing is left says its number.
#include <cstddef>
#include <cstdio>
#include <hilo/hilo.hpp>
#include <memory>
#include <vector>

int main() {
  hilo::run([] {
    constexpr std::size_t size = 503;
    constexpr int passes = 500'000;
    std::vector<std::unique_ptr<hilo::channel<int>>> ring;
    for (std::size_t i = 0; i < size; ++i) ring.push_back(std::make_unique<hilo::channel<int>>(1));
    hilo::channel<std::size_t> winner(1);
    hilo::scope<> fibers;
    for (std::size_t i = 0; i < size; ++i) {
      (void)fibers.spawn([&, i] {
        for (int token : *ring[i]) {
          if (token == 0) {
            (void)winner.send(i + 1);
          } else if (ring[(i + 1) % size]->send(token - 1) != hilo::status::ok) {
            break;
          }
        }
      });
    }
    (void)ring[0]->send(passes);
    std::printf("fiber %zu has the token after %d passes\n", winner.receive().value(), passes);
    for (auto& one : ring) one->close();
    fibers.join();
  });
}
