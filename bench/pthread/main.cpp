// The workloads over std::thread, std::mutex and std::condition_variable.
#include <condition_variable>
#include <mutex>
#include <thread>

#include <sched.h>

#include "bench/harness.hpp"
#include "bench/pthread/channel.hpp"
#include "bench/threads/create.hpp"
#include "bench/threads/lock.hpp"
#include "bench/threads/share.hpp"
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

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  using bench::repeat;
  using bench::unit;
  return bench::run_program(
      argc, argv,
      {
          {"thread_create_join", unit::ns, repeat::fill, 2, bench::thread_create_join<std::thread>},
          {"thread_create_join_alloc", unit::ns, repeat::fill, 2,
           bench::thread_create_join_alloc<std::thread>},
          {"thread_create_join_8", unit::ns, repeat::fill, 2,
           bench::thread_create_join_8<std::thread>},
          {"spawn_join", unit::ns, repeat::fill, 2, bench::thread_create_join<std::thread>,
           "the same as thread_create_join"},
          {"spawn_many", unit::ns, repeat::fill, 2, bench::spawn_many<std::thread>,
           "5,000 detached threads; a process cannot have 1,000,000"},
          {"yield", unit::ns, repeat::fill, 1, bench::yield, "sched_yield"},
          {"pingpong", unit::ns, repeat::fill, 2, bench::pingpong,
           "one word handed over by a mutex and two condition variables"},
          {"channel_1x1", unit::ns, repeat::fill, 2,
           bench::through_channel<std::thread, bench::locked_channel, 1, 1>},
          {"channel_4x4", unit::ns, repeat::fill, 2,
           bench::through_channel<std::thread, bench::locked_channel, 4, 4>},
          {"skynet", unit::ms, repeat::fill, 2, bench::skynet<std::thread>,
           "a thread for each of 1,111 nodes, time scaled to 1,111,111"},
          {"mutex_8", unit::ns, repeat::fill, 2, bench::mutex_8<std::thread, std::mutex>},
          {"kernel_mutex", unit::ns, repeat::fill, 1, bench::uncontended<std::thread, std::mutex>},
          {"kernel_mutex_8", unit::ns, repeat::fill, 2, bench::mutex_8<std::thread, std::mutex>},
          {"kernel_shared_mutex_8", unit::ns, repeat::fill, 2,
           bench::shared_mutex_8<std::thread, std::shared_mutex>},
          {"memory", unit::bytes, repeat::once, 1, bench::memory<std::thread>,
           "2,000 parked threads; without the kernel's own stack of each"},
          {"wordcount", unit::ms, repeat::once, 2,
           bench::wordcount<std::thread, bench::locked_channel>},
      });
}
