// The workloads over std::thread, std::mutex and std::condition_variable.
#include <condition_variable>
#include <mutex>
#include <shared_mutex>
#include <thread>

#include <sched.h>

#include "bench/harness.hpp"
#include "bench/pthread/channel.hpp"
#include "bench/threads/program.hpp"
#include "bench/workloads.hpp"

namespace bench {
namespace {

void yield(benchmark::State& state, unsigned) {
  const auto half = [] {
    for (std::uint64_t i = 0; i < yields / 2; ++i) ::sched_yield();
  };
  for (auto _ : state) {
    std::thread first(half);
    std::thread second(half);
    first.join();
    second.join();
  }
  set_operations(state, static_cast<double>(state.iterations()) * double(yields));
}

// One word whose owner changes hands: less than an unbuffered channel, and the least that a mutex
// and condition variables can do. Notifying without the lock measured a third faster than with it.
void pingpong(benchmark::State& state, unsigned) {
  enum class turn { ping, pong, over };
  std::mutex mutex;
  std::condition_variable to_ping;
  std::condition_variable to_pong;
  turn whose = turn::ping;
  std::uint64_t ball = 0;

  std::thread other([&] {
    std::unique_lock lock(mutex);
    while (true) {
      to_pong.wait(lock, [&] { return whose != turn::ping; });
      if (whose == turn::over) return;
      ++ball;
      whose = turn::ping;
      lock.unlock();
      to_ping.notify_one();
      lock.lock();
    }
  });
  std::unique_lock lock(mutex);
  for (auto _ : state) {
    whose = turn::pong;
    lock.unlock();
    to_pong.notify_one();
    lock.lock();
    to_ping.wait(lock, [&] { return whose == turn::ping; });
  }
  whose = turn::over;
  to_pong.notify_one();
  lock.unlock();
  other.join();
  expect("the number of round trips", ball, static_cast<std::uint64_t>(state.iterations()));
  set_operations(state, static_cast<double>(state.iterations()));
}

struct standard_kit {
  using thread = std::thread;
  template <class T>
  using channel = locked_channel<T>;
  using mutex = std::mutex;
  using kernel_mutex = std::mutex;
  using kernel_shared_mutex = std::shared_mutex;
};

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  using bench::repeat;
  using bench::unit;
  return bench::run_thread_program<bench::standard_kit>(
      argc, argv, {"yield", unit::ns, repeat::fill, 1, bench::yield, "sched_yield"},
      {"pingpong", unit::ns, repeat::fill, 2, bench::pingpong,
       "one word handed over by a mutex and two condition variables"});
}
