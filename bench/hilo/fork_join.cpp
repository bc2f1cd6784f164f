// Fork-join; and fib by a fiber for each call, to compare with.
#include "hilo/hilo.hpp"

#include "bench/forks/workloads.hpp"
#include "bench/hilo/workloads.hpp"

namespace bench {
namespace {

struct hilo_fork {
  template <class F, class G>
  [[gnu::always_inline]] static auto both(F&& f, G&& g) {
    return hilo::fork_join(f, g);
  }
  template <class F>
  static void run(unsigned carriers, F&& body) {
    // As much stack as a kernel thread has: uts_t3 is 1,572 levels deep.
    hilo::run({.carriers = carriers, .stack_size = 8 * 1024 * 1024}, body);
  }
};

std::uint64_t fib_by_spawn(unsigned n) {
  if (n < 2) return n;
  auto first = hilo::spawn([n] { return fib_by_spawn(n - 1); });
  const std::uint64_t second = fib_by_spawn(n - 2);
  return first.join() + second;
}

}  // namespace

void fib_spawn(benchmark::State& state, unsigned carriers) {
  constexpr unsigned n = 24;
  repeat_passes<hilo_fork>(state, carriers, fib_tasks(n),
                           [] { expect("fib", fib_by_spawn(n), fib_of(n)); });
}

void fib_fork_join(benchmark::State& state, unsigned carriers) {
  fib_fork_join<hilo_fork, 32>(state, carriers);
}
void uts_t1(benchmark::State& state, unsigned carriers) {
  uts_tree<hilo_fork, uts::t1>(state, carriers);
}
void uts_t3(benchmark::State& state, unsigned carriers) {
  uts_tree<hilo_fork, uts::t3>(state, carriers);
}
void nqueens(benchmark::State& state, unsigned carriers) {
  nqueens<hilo_fork>(state, carriers);
}
void integrate(benchmark::State& state, unsigned carriers) {
  integrate<hilo_fork>(state, carriers);
}
void matmul(benchmark::State& state, unsigned carriers) {
  matmul<hilo_fork>(state, carriers);
}
void quicksort(benchmark::State& state, unsigned carriers) {
  quicksort<hilo_fork>(state, carriers);
}

}  // namespace bench
