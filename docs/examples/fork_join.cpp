#include <cstdio>
#include <functional>
#include <hilo/hilo.hpp>
#include <numeric>
#include <vector>

long fib(long n) {
  if (n < 2) return n;
  auto [a, b] = hilo::fork_join([=] { return fib(n - 1); }, [=] { return fib(n - 2); });
  return a + b;
}

int main() {
  hilo::run([] {
    std::printf("fib(25) is %ld\n", fib(25));

    std::vector<double> numbers(100'000);
    std::iota(numbers.begin(), numbers.end(), 0.0);
    hilo::parallel_for(numbers.begin(), numbers.end(), [](double& x) { x = x * x; });
    const double sum =
        hilo::parallel_reduce(numbers.begin(), numbers.end(), 0.0, std::identity(), std::plus());
    std::printf("the sum of the first 100,000 squares is %.0f\n", sum);
  });
}
