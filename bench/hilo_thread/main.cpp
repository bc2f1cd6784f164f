// The workloads over hilo's kernel floor: hilo::thread for std::thread, and hilo's own mutex and
// channel called from kernel threads.
#include "hilo/hilo.hpp"
#include "hilo/kernel.hpp"

#include "bench/harness.hpp"
#include "bench/threads/create.hpp"
#include "bench/threads/lock.hpp"
#include "bench/threads/share.hpp"
#include "bench/workloads.hpp"

namespace bench {
namespace {

void pingpong(benchmark::State& state, unsigned) {
  hilo::channel<std::uint64_t> to_pong;
  hilo::channel<std::uint64_t> to_ping;
  hilo::thread other([&] {
    for (const std::uint64_t ball : to_pong) (void)to_ping.send(ball + 1);
  });
  std::uint64_t ball = 0;
  for (auto _ : state) {
    (void)to_pong.send(ball);
    ball = to_ping.receive().value_or(0);
  }
  to_pong.close();
  other.join();
  expect("the number of round trips", ball, static_cast<std::uint64_t>(state.iterations()));
  set_operations(state, static_cast<double>(state.iterations()));
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  using bench::repeat;
  using bench::unit;
  return bench::run_program(
      argc, argv,
      {
          {"thread_create_join", unit::ns, repeat::fill, 2,
           bench::thread_create_join<hilo::thread>},
          {"thread_create_join_alloc", unit::ns, repeat::fill, 2,
           bench::thread_create_join_alloc<hilo::thread>},
          {"thread_create_join_8", unit::ns, repeat::fill, 2,
           bench::thread_create_join_8<hilo::thread>},
          {"spawn_join", unit::ns, repeat::fill, 2, bench::thread_create_join<hilo::thread>,
           "the same as thread_create_join"},
          {"spawn_many", unit::ns, repeat::fill, 2, bench::spawn_many<hilo::thread>,
           "5,000 detached threads; a process cannot have 1,000,000"},
          bench::absent("yield", "is the kernel's sched_yield: see pthread"),
          {"pingpong", unit::ns, repeat::fill, 2, bench::pingpong,
           "two values over two unbuffered channels"},
          {"channel_1x1", unit::ns, repeat::fill, 2,
           bench::through_channel<hilo::thread, hilo::channel, 1, 1>},
          {"channel_4x4", unit::ns, repeat::fill, 2,
           bench::through_channel<hilo::thread, hilo::channel, 4, 4>},
          {"skynet", unit::ms, repeat::fill, 2, bench::skynet<hilo::thread>,
           "a thread for each of 1,111 nodes, time scaled to 1,111,111"},
          {"mutex_8", unit::ns, repeat::fill, 2, bench::mutex_8<hilo::thread, hilo::mutex>},
          {"kernel_mutex", unit::ns, repeat::fill, 1,
           bench::uncontended<hilo::thread, hilo::kernel::mutex>},
          {"kernel_mutex_8", unit::ns, repeat::fill, 2,
           bench::mutex_8<hilo::thread, hilo::kernel::mutex>},
          {"kernel_shared_mutex_8", unit::ns, repeat::fill, 2,
           bench::shared_mutex_8<hilo::thread, hilo::kernel::shared_mutex>},
          {"memory", unit::bytes, repeat::once, 1, bench::memory<hilo::thread>,
           "2,000 parked threads; without the kernel's own stack of each"},
          {"wordcount", unit::ms, repeat::once, 2, bench::wordcount<hilo::thread, hilo::channel>},
      });
}
