// Measures what the simulation takes as its inputs, and prints it as one JSON object, in
// nanoseconds: costs of this machine, and times of hilo with one carrier. measure.py makes the
// costs of the times. Takes some seconds, and two CPUs that do nothing else.
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <climits>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hilo/hilo.hpp"

#include "bench/one_cpu.hpp"

namespace {

using clock_type = std::chrono::steady_clock;

double since(clock_type::time_point start) {
  return std::chrono::duration<double, std::nano>(clock_type::now() - start).count();
}

std::array<int, 2> two_cpus() {
  cpu_set_t allowed;
  std::array<int, 2> found{-1, -1};
  if (::sched_getaffinity(0, sizeof allowed, &allowed) == 0) {
    for (int cpu = 0; cpu < CPU_SETSIZE && found[1] < 0; ++cpu) {
      if (CPU_ISSET(cpu, &allowed)) found[found[0] < 0 ? 0 : 1] = cpu;
    }
  }
  if (found[1] < 0) {
    std::fputs("bench_scaling_costs: needs 2 CPUs\n", stderr);
    std::exit(1);
  }
  return found;
}

template <class F>
double median_of(int passes, F pass) {
  std::vector<double> values;
  for (int i = 0; i < passes; ++i) values.push_back(pass());
  std::nth_element(values.begin(), values.begin() + passes / 2, values.end());
  return values[static_cast<std::size_t>(passes / 2)];
}

// The time of one of `times` calls.
template <class F>
double each_of(int times, F call) {
  const auto start = clock_type::now();
  for (int i = 0; i < times; ++i) call();
  return since(start) / times;
}

void print(const char* name, double value) {
  static bool first = true;
  std::printf("%s\"%s\": %.2f", first ? "{" : ",\n ", name, value);
  first = false;
}

long futex(std::atomic<std::uint32_t>& word, int what, std::uint32_t value, const timespec* until) {
  return ::syscall(SYS_futex, &word, what | FUTEX_PRIVATE_FLAG, value, until, nullptr, 0);
}

// --- Cache lines --------------------------------------------------------------------------------

struct alignas(128) padded {
  std::atomic<unsigned> value{0};
};
padded ball;
std::array<padded, 5> block;  // as many lines as a fiber brings along

void change_block() {
  for (padded& each : block) {
    each.value.store(each.value.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
}

// Two CPUs hand a line, and perhaps the block, to each other. The time of one way.
double one_way(const std::array<int, 2>& cpus, bool with_block) {
  constexpr unsigned rounds = 4'000;
  ball.value.store(0, std::memory_order_relaxed);
  const auto play = [&](unsigned first) {
    for (unsigned mine = first; mine < rounds; mine += 2) {
      while (ball.value.load(std::memory_order_acquire) != mine) {
      }
      if (with_block) change_block();
      ball.value.store(mine + 1, std::memory_order_release);
    }
  };
  std::atomic<bool> there = false;
  std::thread other([&] {
    bench::run_on(cpus[1]);
    there.store(true, std::memory_order_release);
    play(1);
  });
  while (!there.load(std::memory_order_acquire)) ::sched_yield();
  const auto start = clock_type::now();
  play(0);
  other.join();
  return since(start) / rounds;
}

// --- The kernel ---------------------------------------------------------------------------------

std::atomic<std::uint32_t> word{0};
std::atomic<std::int64_t> woken_at{0};

std::int64_t now() {
  return clock_type::now().time_since_epoch().count();
}

struct wake_times {
  double call, latency;
};

// The sleeper sleeps for long before it is woken, so its CPU is idle.
wake_times one_wake(int cpu) {
  word.store(0, std::memory_order_relaxed);
  woken_at.store(0, std::memory_order_relaxed);
  std::thread sleeper([cpu] {
    bench::run_on(cpu);
    while (word.load(std::memory_order_acquire) == 0) futex(word, FUTEX_WAIT, 0, nullptr);
    woken_at.store(now(), std::memory_order_release);
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(2));
  const std::int64_t start = now();
  word.store(1, std::memory_order_release);
  futex(word, FUTEX_WAKE, 1, nullptr);
  const std::int64_t called = now();
  sleeper.join();
  return {double(called - start), double(woken_at.load(std::memory_order_acquire) - start)};
}

double nap_lateness() {
  constexpr std::int64_t nap = 20'000;
  const timespec time{.tv_sec = 0, .tv_nsec = nap};
  const std::int64_t start = now();
  word.store(0, std::memory_order_relaxed);
  futex(word, FUTEX_WAIT, 0, &time);
  return double(now() - start - nap);
}

// Two threads on one CPU give it to each other.
double kernel_switch(int cpu) {
  constexpr int times = 20'000;
  std::atomic<bool> done = false;
  std::thread other([&] {
    bench::run_on(cpu);
    while (!done.load(std::memory_order_relaxed)) ::sched_yield();
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  const double each = each_of(times, [] { ::sched_yield(); }) / 2;
  done.store(true, std::memory_order_relaxed);
  other.join();
  return each;
}

// How long a thread is off its CPU while another one computes there.
double slice(int cpu) {
  std::atomic<bool> done = false;
  std::thread other([&] {
    bench::run_on(cpu);
    while (!done.load(std::memory_order_relaxed)) {
    }
  });
  std::vector<double> gaps;
  const auto start = clock_type::now();
  for (auto last = start; since(start) < 3e8;) {
    const auto time = clock_type::now();
    const double gap = std::chrono::duration<double, std::nano>(time - last).count();
    if (gap > 3e5) gaps.push_back(gap);
    last = time;
  }
  done.store(true, std::memory_order_relaxed);
  other.join();
  if (gaps.empty()) return 3e6;
  std::nth_element(gaps.begin(), gaps.begin() + static_cast<std::ptrdiff_t>(gaps.size() / 2),
                   gaps.end());
  return gaps[gaps.size() / 2];
}

double membarrier_with_peer(int cpu) {
  ::syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0);
  std::atomic<bool> done = false;
  std::thread other([&] {
    bench::run_on(cpu);
    while (!done.load(std::memory_order_relaxed)) {
    }
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  const double each =
      each_of(500, [] { ::syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0); });
  done.store(true, std::memory_order_relaxed);
  other.join();
  return each;
}

// --- hilo with one carrier ----------------------------------------------------------------------

constexpr int passes = 101;

struct spawn_times {
  double spawn, run;
};

// So many fibers that the ring has room for all of them.
spawn_times spawns() {
  constexpr int fibers = 200;
  std::vector<double> spawned;
  std::vector<double> ran;
  int left = 0;
  for (int pass = 0; pass < passes; ++pass) {
    left = fibers;
    const auto start = clock_type::now();
    for (int i = 0; i < fibers; ++i) hilo::spawn([&left] { --left; }).detach();
    const auto middle = clock_type::now();
    while (left != 0) hilo::yield();
    ran.push_back(since(middle) / fibers);
    spawned.push_back(std::chrono::duration<double, std::nano>(middle - start).count() / fibers);
  }
  const auto median = [](std::vector<double>& all) {
    std::nth_element(all.begin(), all.begin() + passes / 2, all.end());
    return all[passes / 2];
  };
  return {median(spawned), median(ran)};
}

double yields() {
  constexpr int times = 2'000;
  return median_of(passes, [] {
    const auto half = [] {
      for (int i = 0; i < times; ++i) hilo::yield();
    };
    auto other = hilo::spawn(half);
    const auto start = clock_type::now();
    half();
    const double all = since(start);
    other.join();
    return all / (2 * times);
  });
}

double spawns_and_joins() {
  std::uint64_t ran = 0;
  return median_of(passes,
                   [&] { return each_of(500, [&] { hilo::spawn([&] { ++ran; }).join(); }); });
}

double channel_operations() {
  hilo::channel<std::uint64_t> channel(128);
  return median_of(passes, [&] {
    return each_of(100,
                   [&] {
                     (void)channel.send(1);
                     (void)channel.receive();
                   }) /
           2;
  });
}

double sections() {
  hilo::mutex mutex;
  std::uint64_t count = 0;
  return median_of(passes, [&] {
    return each_of(1'000, [&] {
      mutex.lock();
      ++count;
      mutex.unlock();
    });
  });
}

double round_trips() {
  hilo::channel<std::uint64_t> to_pong;
  hilo::channel<std::uint64_t> to_ping;
  auto pong = hilo::spawn([&] {
    for (const std::uint64_t number : to_pong) (void)to_ping.send(number);
  });
  const double each = median_of(passes, [&] {
    return each_of(1'000, [&] {
      (void)to_pong.send(1);
      (void)to_ping.receive();
    });
  });
  to_pong.close();
  pong.join();
  return each;
}

void pause_once() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb" ::: "memory");
#endif
}

}  // namespace

int main() {
  const std::array<int, 2> cpus = two_cpus();
  bench::run_on(cpus[0]);
  ::prctl(PR_SET_TIMERSLACK, 1);
  constexpr int few = 31;
  const double near = median_of(few, [&] { return one_way(cpus, false); });
  const double with_block = median_of(few, [&] { return one_way(cpus, true); });
  print("near", near);
  print("rewrite", std::max(0.0, with_block - near) / near);
  std::atomic<int> here = 0;
  print("locked", median_of(few, [&] {
          return each_of(10'000, [&] { here.exchange(1, std::memory_order_seq_cst); });
        }));
  print("relax", median_of(few, [] { return each_of(10'000, pause_once); }));
  print("clock", median_of(few, [] { return each_of(10'000, [] { (void)clock_type::now(); }); }));
  print("system_call",
        median_of(few, [] { return each_of(1'000, [] { futex(word, FUTEX_WAKE, 1, nullptr); }); }));
  std::vector<wake_times> wakes;
  for (int i = 0; i < few; ++i) wakes.push_back(one_wake(cpus[1]));
  print("futex_wake",
        median_of(few, [i = 0, &wakes]() mutable { return wakes[std::size_t(i++)].call; }));
  print("wake_latency",
        median_of(few, [i = 0, &wakes]() mutable { return wakes[std::size_t(i++)].latency; }));
  print("nap_late", median_of(few, nap_lateness));
  print("kernel_switch", median_of(5, [&] { return kernel_switch(cpus[0]); }));
  print("slice", slice(cpus[0]));
  print("membarrier", median_of(5, [&] { return membarrier_with_peer(cpus[1]); }));
  hilo::run({.carriers = 1}, [] {
    const spawn_times made = spawns();
    print("_spawn", made.spawn);
    print("_run", made.run);
    print("_yield", yields());
    print("_spawn_join", spawns_and_joins());
    print("channel", channel_operations());
    print("section", sections());
    print("_round_trip", round_trips());
  });
  std::printf("}\n");
}
