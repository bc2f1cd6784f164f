// The sieve of Eratosthenes as a chain of fibers: each takes the multiples of one prime out of what
// the one before it sends. When main has enough primes it drops its end, and the chain ends link by
// link: who sends to nobody is told so.
#include <cstdio>
#include <hilo/hilo.hpp>
#include <utility>

namespace {

hilo::receiver<int> from_two_on() {
  auto [out, in] = hilo::make_channel<int>();
  hilo::spawn([out = std::move(out)] {
    for (int n = 2; out.send(n) == hilo::status::ok;) ++n;
  }).detach();
  return std::move(in);
}

hilo::receiver<int> without_multiples(hilo::receiver<int> from, int prime) {
  auto [out, in] = hilo::make_channel<int>();
  hilo::spawn([from = std::move(from), out = std::move(out), prime] {
    for (int n : from) {
      if (n % prime != 0 && out.send(n) != hilo::status::ok) break;
    }
  }).detach();
  return std::move(in);
}

}  // namespace

int main() {
  hilo::run([] {
    hilo::receiver<int> numbers = from_two_on();
    for (int i = 0; i < 100; ++i) {
      const int prime = *numbers.receive();
      std::printf(i % 20 == 19 ? "%d\n" : "%d ", prime);
      numbers = without_multiples(std::move(numbers), prime);
    }
  });
}
