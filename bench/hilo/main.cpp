#include "bench/harness.hpp"
#include "bench/hilo/workloads.hpp"

int main(int argc, char** argv) {
  using bench::absent;
  using bench::repeat;
  using bench::unit;
  constexpr auto kernel_threads = "makes kernel threads: see hilo_thread";
  return bench::run_program(
      argc, argv,
      {
          absent("thread_create_join", kernel_threads),
          absent("thread_create_join_alloc", kernel_threads),
          {"spawn_join", unit::ns, repeat::fill, 2, bench::spawn_join},
          {"spawn_many", unit::ns, repeat::fill, 2, bench::spawn_many, "1,000,000 fibers"},
          {"yield", unit::ns, repeat::fill, 1, bench::yield},
          {"pingpong", unit::ns, repeat::fill, 2, bench::pingpong,
           "two values over two unbuffered channels"},
          {"channel_1x1", unit::ns, repeat::fill, 2, bench::channel_1x1},
          {"channel_4x4", unit::ns, repeat::fill, 2, bench::channel_4x4},
          {"skynet", unit::ms, repeat::fill, 2, bench::skynet, "1,111,111 fibers"},
          {"mutex_8", unit::ns, repeat::fill, 2, bench::mutex_8},
          {"memory", unit::bytes, repeat::once, 1, bench::memory, "100,000 parked fibers"},
          {"wordcount", unit::ms, repeat::once, 2, bench::wordcount},
          {"fib_spawn", unit::ns, repeat::fill, 2, bench::fib_spawn, "fib(24), a fiber a call"},
          {"fib_fork_join", unit::ns, repeat::fill, 2, bench::fib_fork_join},
          {"uts_t1", unit::ms, repeat::fill, 2, bench::uts_t1},
          {"uts_t3", unit::ms, repeat::fill, 2, bench::uts_t3},
          {"nqueens", unit::ms, repeat::fill, 2, bench::nqueens},
          {"integrate", unit::ms, repeat::fill, 2, bench::integrate},
          {"matmul", unit::ms, repeat::fill, 2, bench::matmul},
          {"quicksort", unit::ms, repeat::fill, 2, bench::quicksort},
      });
}
