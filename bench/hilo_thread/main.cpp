// The workloads over hilo's kernel floor: hilo::thread for std::thread, and hilo's own mutex and
// channel called from kernel threads.
#include "hilo/hilo.hpp"
#include "hilo/kernel.hpp"

#include "bench/harness.hpp"
#include "bench/threads/program.hpp"
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

struct hilo_kit {
  using thread = hilo::thread;
  template <class T>
  using channel = hilo::channel<T>;
  using mutex = hilo::mutex;
  using kernel_mutex = hilo::kernel::mutex;
  using kernel_shared_mutex = hilo::kernel::shared_mutex;
};

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  using bench::repeat;
  using bench::unit;
  return bench::run_thread_program<bench::hilo_kit>(
      argc, argv, bench::absent("yield", "is the kernel's sched_yield: see pthread"),
      {"pingpong", unit::ns, repeat::fill, 2, bench::pingpong,
       "two values over two unbuffered channels"});
}
