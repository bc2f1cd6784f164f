// Fibers at known places, for tests of the hilo command and of the gdb script: parked_program SHAPE
// [FIBERS [CARRIERS]]. Prints "ready" once all fibers are where they should be, and stays so until
// its standard input ends. Then it prints the lateness of its ticker, if it has one.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include "hilo/hilo.hpp"

using namespace std::chrono_literals;

// Global, so that the dump can name them.
hilo::mutex accounts;
hilo::mutex journal;
hilo::channel<int> orders(2);

namespace {

hilo::channel<int> never(4);
hilo::channel<int> full;
hilo::mutex held;
hilo::event opened;
hilo::semaphore permits(0);
hilo::latch gate(1);
hilo::condition_variable condition;
hilo::mutex of_condition;
hilo::shared_mutex pages;
int pipe_ends[2];

std::atomic<std::size_t> arrived{0};
std::optional<hilo::fiber<void>> endless;

// Keeps the caller's frame, so that it is in the backtrace.
#define HILO_KEEP_FRAME asm volatile("" ::: "memory")

}  // namespace

extern "C" {

#define HILO_SITE(name, ...)      \
  [[gnu::noinline]] void name() { \
    __VA_ARGS__;                  \
    HILO_KEEP_FRAME;              \
  }

HILO_SITE(site_00, (void)never.receive())
HILO_SITE(site_01, (void)never.receive())
HILO_SITE(site_02, std::optional<int> got; (void)never.receive_for(got, 10h))
HILO_SITE(site_03, (void)full.send(3))
HILO_SITE(site_04, (void)full.send(4))
HILO_SITE(site_05, held.lock())
HILO_SITE(site_06, held.lock())
HILO_SITE(site_07, (void)held.try_lock_for(10h))
HILO_SITE(site_08, opened.wait())
HILO_SITE(site_09, opened.wait())
HILO_SITE(site_10, permits.acquire())
HILO_SITE(site_11, permits.acquire())
HILO_SITE(site_12, gate.wait())
HILO_SITE(site_13, std::unique_lock lock(of_condition); condition.wait(lock))
HILO_SITE(site_14, (void)hilo::sleep_for(10h))
HILO_SITE(site_15, (void)endless->wait())
HILO_SITE(site_16, pages.lock_shared())
HILO_SITE(site_17, char byte; (void)hilo::io::read(pipe_ends[0], &byte, 1))
HILO_SITE(site_18, pages.lock())
HILO_SITE(site_19, std::optional<int> got;
          (void)hilo::select{hilo::receive_from(never, got), hilo::receive_from(orders, got)})

// A breakpoint of gdb_fibers.py.
[[gnu::noinline]] void show_values() {
  HILO_KEEP_FRAME;
}

[[gnu::noinline]] void spin_here() {
  while (true) HILO_KEEP_FRAME;
}
}

namespace {

constexpr void (*sites[])() = {site_00, site_01, site_02, site_03, site_04, site_05, site_06,
                               site_07, site_08, site_09, site_10, site_11, site_12, site_13,
                               site_14, site_15, site_16, site_17, site_18, site_19};

[[gnu::noinline]] void go_down(int depth, void (*site)()) {
  if (depth == 0) {
    arrived.fetch_add(1, std::memory_order_relaxed);
    site();
  } else {
    go_down(depth - 1, site);
  }
  HILO_KEEP_FRAME;
}

void say_ready() {
  std::puts("ready");
  std::fflush(stdout);
}

// Stays until the standard input ends. The program is in no state to end in order.
[[noreturn]] void stay() {
  say_ready();
  char byte;
  while (::read(STDIN_FILENO, &byte, 1) > 0) {
  }
  std::fflush(stdout);
  ::_exit(0);
}

// Until all fibers have arrived and are parked. A fiber of idle priority runs when no other can.
void let_settle(hilo::runtime& on, std::size_t fibers) {
  while (arrived.load(std::memory_order_relaxed) < fibers) std::this_thread::sleep_for(1ms);
  for (int i = 0; i < 3; ++i) {
    on.spawn({.urgency = hilo::priority::idle}, [] {}).join();
    std::this_thread::sleep_for(50ms);
  }
}

void park_at_sites(hilo::runtime& on, std::size_t fibers) {
  on.run([] {
    held.lock();
    pages.lock();
    endless = hilo::spawn({.name = "endless"}, [] { hilo::sleep_for(100h); });
  });
  if (::pipe2(pipe_ends, O_CLOEXEC | O_NONBLOCK) != 0) std::abort();
  std::vector<hilo::fiber<void>> all;
  for (std::size_t i = 0; i < fibers; ++i) {
    on.spawn({.stack_size = 16 * 1024}, [i] { go_down(2, sites[i % std::size(sites)]); }).detach();
  }
  let_settle(on, fibers);
}

// A ticker of 1 kHz; its lateness is printed at the end.
std::vector<std::int64_t> lateness;
void tick() {
  lateness.reserve(1 << 20);
  auto next = std::chrono::steady_clock::now();
  while (lateness.size() < lateness.capacity()) {
    next += 1ms;
    (void)hilo::sleep_until(next);
    lateness.push_back((std::chrono::steady_clock::now() - next).count());
  }
}

[[noreturn]] void stay_with_ticker(hilo::runtime& on) {
  on.spawn({.name = "ticker"}, tick).detach();
  say_ready();
  char byte;
  while (::read(STDIN_FILENO, &byte, 1) > 0) {
  }
  std::vector<std::int64_t> all = lateness;
  std::sort(all.begin(), all.end());
  if (!all.empty()) {
    std::printf("ticks %zu, p99 %.3f ms, most %.3f ms\n", all.size(),
                static_cast<double>(all[all.size() * 99 / 100]) * 1e-6,
                static_cast<double>(all.back()) * 1e-6);
  }
  std::fflush(stdout);
  ::_exit(0);
}

// Fibers that always change: they spawn, wait and end all the time.
void keep_busy(hilo::runtime& on, std::size_t fibers) {
  for (std::size_t i = 0; i < fibers; ++i) {
    on.spawn([] {
        arrived.fetch_add(1, std::memory_order_relaxed);
        while (true) {
          hilo::channel<int> answer;
          auto other = hilo::spawn([&] { (void)answer.send(1); });
          (void)answer.receive();
          hilo::yield();
        }
      }).detach();
  }
  let_settle(on, fibers);
}

// Values that a debugger prints.
[[gnu::noinline]] void make_values(hilo::runtime& on) {
  on.run([] {
    hilo::channel<int> numbers(8);
    for (int i = 7; i < 10; ++i) (void)numbers.send(i);
    hilo::mutex open_mutex;
    auto handle = hilo::spawn({.name = "helper"}, [] { opened.wait(); });
    hilo::fiber<void> empty;
    const hilo::result<int> good(42);
    const hilo::result<int> bad(hilo::status::timed_out, ETIMEDOUT);
    const void* const kept[] = {&numbers, &open_mutex, &handle, &good, &bad, &empty};
    asm volatile("" ::"r"(kept) : "memory");
    show_values();
    opened.set();
    handle.join();
  });
}

void deadlock(hilo::runtime& on) {
  static hilo::event has_accounts;
  static hilo::event has_journal;
  on.spawn({.name = "teller"}, [] {
      const std::scoped_lock one(accounts);
      has_accounts.set();
      has_journal.wait();
      arrived.fetch_add(1, std::memory_order_relaxed);
      const std::scoped_lock two(journal);
    }).detach();
  on.spawn({.name = "auditor"}, [] {
      const std::scoped_lock one(journal);
      has_journal.set();
      has_accounts.wait();
      arrived.fetch_add(1, std::memory_order_relaxed);
      const std::scoped_lock two(accounts);
    }).detach();
  on.spawn({.name = "reader"}, [] {
      arrived.fetch_add(1, std::memory_order_relaxed);
      (void)orders.receive();
    }).detach();
  let_settle(on, 3);
}

}  // namespace

int main(int count, char** arguments) {
  const std::string_view shape = count > 1 ? arguments[1] : "parked";
  const std::size_t fibers = count > 2 ? std::strtoull(arguments[2], nullptr, 10) : 40;
  const unsigned carriers = count > 3 ? static_cast<unsigned>(std::atoi(arguments[3])) : 2;
  static hilo::runtime on({.carriers = carriers,
                           .tls = shape == "own" ? hilo::tls::own : hilo::tls::carrier,
                           .report_busy_after = 0ms});
  if (shape == "idle") {
    on.run([] {});
  } else if (shape == "deadlock") {
    deadlock(on);
  } else if (shape == "spin") {
    on.spawn({.name = "spinner"}, [] {
        arrived.fetch_add(1, std::memory_order_relaxed);
        spin_here();
      }).detach();
    let_settle(on, 1);
  } else if (shape == "values") {
    make_values(on);
  } else if (shape == "busy") {
    keep_busy(on, fibers);
  } else if (shape == "two") {
    static hilo::runtime other({.carriers = 1});
    park_at_sites(on, fibers);
    other.spawn({.name = "elsewhere"}, [] { (void)orders.receive(); }).detach();
    let_settle(other, fibers);
  } else if (shape == "sleepers") {
    for (std::size_t i = 0; i < fibers; ++i) {
      on.spawn({.stack_size = 16 * 1024}, [] {
          arrived.fetch_add(1, std::memory_order_relaxed);
          opened.wait();
        }).detach();
    }
    let_settle(on, fibers);
  } else {
    park_at_sites(on, fibers);
    if (shape == "ticker") stay_with_ticker(on);
  }
  stay();
}
