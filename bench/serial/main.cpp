// The fork-join workloads as plain recursion: what dividing the work costs is told by the ratio.
#include <utility>

#include "bench/forks/workloads.hpp"

namespace {

struct serial_fork {
  template <class F, class G>
  [[gnu::always_inline]] static auto both(F&& f, G&& g) {
    auto first = f();
    return std::pair(first, g());
  }
  template <class F>
  static void run(unsigned, F&& body) {
    body();
  }
};

}  // namespace

int main(int argc, char** argv) {
  using bench::repeat;
  using bench::unit;
  return bench::run_program(
      argc, argv,
      {
          bench::absent("fib_spawn", "plain calls: see fib_fork_join"),
          {"fib_fork_join", unit::ns, repeat::fill, 1, bench::fib_fork_join<serial_fork, 32>},
          {"uts_t1", unit::ms, repeat::fill, 1, bench::uts_tree<serial_fork, bench::uts::t1>},
          {"uts_t3", unit::ms, repeat::fill, 1, bench::uts_tree<serial_fork, bench::uts::t3>},
          {"nqueens", unit::ms, repeat::fill, 1, bench::nqueens<serial_fork>},
          {"integrate", unit::ms, repeat::fill, 1, bench::integrate<serial_fork>},
          {"matmul", unit::ms, repeat::fill, 1, bench::matmul<serial_fork>},
          {"quicksort", unit::ms, repeat::fill, 1, bench::quicksort<serial_fork>},
      });
}
