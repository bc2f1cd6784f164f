// The fork-join workloads over oneTBB's task_group, which measured faster here than its
// parallel_invoke.
#include <optional>
#include <utility>

#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_group.h>

#include "bench/forks/workloads.hpp"

namespace {

struct tbb_fork {
  template <class F, class G>
  static auto both(F&& f, G&& g) {
    std::optional<decltype(g())> second;
    tbb::task_group group;
    group.run([&] { second.emplace(g()); });
    auto first = f();
    group.wait();
    return std::pair(first, *second);
  }
  template <class F>
  static void run(unsigned carriers, F&& body) {
    const tbb::global_control limit(tbb::global_control::max_allowed_parallelism, carriers);
    tbb::task_arena(static_cast<int>(carriers)).execute(body);
  }
};

}  // namespace

int main(int argc, char** argv) {
  using bench::repeat;
  using bench::unit;
  return bench::run_program(
      argc, argv,
      {
          bench::absent("fib_spawn", "has tasks, not threads: see fib_fork_join"),
          {"fib_fork_join", unit::ns, repeat::fill, 2, bench::fib_fork_join<tbb_fork, 25>,
           "fib(25), where hilo and serial do fib(32)"},
          {"uts_t1", unit::ms, repeat::fill, 2, bench::uts_tree<tbb_fork, bench::uts::t1>},
          {"uts_t3", unit::ms, repeat::fill, 2, bench::uts_tree<tbb_fork, bench::uts::t3>},
          {"nqueens", unit::ms, repeat::fill, 2, bench::nqueens<tbb_fork>},
          {"integrate", unit::ms, repeat::fill, 2, bench::integrate<tbb_fork>},
          {"matmul", unit::ms, repeat::fill, 2, bench::matmul<tbb_fork>},
          {"quicksort", unit::ms, repeat::fill, 2, bench::quicksort<tbb_fork>},
      });
}
