// A program for the tests of hilo::dump. Its argument says what it does.
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include "hilo/hilo.hpp"

namespace {

constexpr int most_parked = 40;

[[gnu::noinline]] void wait_for_value(hilo::channel<int>& from) {
  (void)from.receive();
  asm volatile("");  // not a tail call: the frame stays
}

[[gnu::noinline]] void wait_for_lock(hilo::mutex& what) {
  const std::scoped_lock guard(what);
  asm volatile("");
}

// 30 fibers wait for a channel, and 10 for a mutex that the caller holds, while `f` runs.
template <class F>
void with_parked(F&& f) {
  hilo::channel<int> values;
  hilo::mutex lock;
  std::vector<hilo::fiber<void>> all;
  lock.lock();
  for (int i = 0; i < most_parked; ++i) {
    if (i % 4 == 3) {
      all.push_back(hilo::spawn({.name = "locker"}, [&] { wait_for_lock(lock); }));
    } else {
      all.push_back(hilo::spawn({.name = "reader"}, [&] { wait_for_value(values); }));
    }
  }
  auto sleeper =
      hilo::spawn({.name = "sleeper"}, [] { (void)hilo::sleep_for(std::chrono::hours(1)); });
  // All are parked when this is the only fiber that runs: each has been run, and waits.
  const auto parks = [] { return hilo::metrics().total().parks; };
  while (parks() < most_parked + 1) hilo::yield();
  f();
  lock.unlock();
  values.close();
  for (auto& one : all) one.join();
  sleeper.request_stop();
  sleeper.join();
}

[[gnu::noinline]] void dump_here() {
  hilo::dump(STDOUT_FILENO);
  asm volatile("");
}

void wait_for_the_tester() {
  std::puts("ready");
  std::fflush(stdout);
  char end = 0;
  (void)hilo::io::read(STDIN_FILENO, &end, 1);
}

// Dumps again and again, while fibers wake each other, end, and begin on the same stacks.
void dump_while_all_runs() {
  const int nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  std::atomic<bool> done{false};
  std::vector<hilo::fiber<std::size_t>> pairs;
  for (int i = 0; i < 8; ++i) {
    pairs.push_back(hilo::spawn([&] {
      std::size_t rounds = 0;
      while (!done.load(std::memory_order_relaxed)) {
        hilo::channel<std::size_t> there;
        hilo::channel<std::size_t> back;
        auto other = hilo::spawn([&] {
          while (const auto one = there.receive()) (void)back.send(*one + 1);
        });
        for (std::size_t k = 0; k < 50; ++k) {
          (void)there.send(k);
          if (back.receive() != k + 1) std::abort();
        }
        (void)hilo::sleep_for(std::chrono::microseconds(10));
        there.close();
        other.join();
        ++rounds;
      }
      return rounds;
    }));
  }
  for (int i = 0; i < 200; ++i) {
    hilo::dump(nowhere);
    hilo::yield();
  }
  done.store(true, std::memory_order_relaxed);
  std::size_t rounds = 0;
  for (auto& one : pairs) rounds += one.join();
  std::printf("%s\n", rounds != 0 ? "all went on" : "nothing ran");
  ::close(nowhere);
}

}  // namespace

int main(int count, char** words) {
  const std::string_view shape = count > 1 ? words[1] : "";
  hilo::runtime_options options{.carriers = 2};
  if (shape == "handles") std::signal(SIGUSR1, [](int) {});
  if (shape == "option") options.dump_signal = SIGUSR2;
  if (shape == "unwatched") {
    options.stuck_after = options.report_busy_after = std::chrono::milliseconds(0);
  }
  try {
    hilo::run(options, [&] {
      if (shape == "here") return with_parked(dump_here);
      if (shape == "all_runs") return dump_while_all_runs();
      with_parked(wait_for_the_tester);
    });
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}
