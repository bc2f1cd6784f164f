// The bounds of hilo::blocking: how many spare carriers there are, which call gets one, and what
// happens when there is none. And the limits after which the monitor acts.

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <sys/syscall.h>

#include "hilo/blocking.hpp"
#include "hilo/fiber.hpp"
#include "hilo/kernel/event.hpp"
#include "hilo/runtime.hpp"

#include "runtime/base/sanitizers.hpp"
#include "tests/death.hpp"
#include "tests/doctest.hpp"
#include "tests/emulator.hpp"
#include "tests/leftovers.hpp"
#include "tests/refusal.hpp"
#include "tests/skip.hpp"

using hilo::runtime_options;
using hilo::test::run_in_child;
using namespace std::chrono_literals;

TEST_CASE("spare carriers: calls that wait for one get it in the order they came") {
  hilo::run(runtime_options{.carriers = 1, .spare_carriers = 1}, [] {
    std::mutex guard;
    std::vector<int> order;
    hilo::kernel::event begun;
    hilo::kernel::event go;
    auto first = hilo::spawn([&] {
      hilo::blocking([&] {
        begun.set();
        go.wait();
      });
    });
    while (!begun.is_set()) hilo::yield();
    std::vector<hilo::fiber<void>> all;
    for (int i = 0; i < 20; ++i) {
      all.push_back(hilo::spawn([&, i] {
        hilo::blocking([&] {
          const std::scoped_lock lock(guard);
          order.push_back(i);
        });
      }));
      hilo::yield();  // it waits now
    }
    go.set();
    first.join();
    for (auto& one : all) one.join();
    std::vector<int> expected(20);
    for (int i = 0; i < 20; ++i) expected[static_cast<std::size_t>(i)] = i;
    CHECK(order == expected);
  });
}

TEST_CASE("spare carriers: a call inside another one needs none, and stays in its thread") {
  hilo::run(runtime_options{.carriers = 1, .spare_carriers = 1}, [] {
    hilo::blocking([] {
      const auto mine = std::this_thread::get_id();
      CHECK(hilo::blocking([] { return std::this_thread::get_id(); }) == mine);
    });
  });
  const auto mine = std::this_thread::get_id();
  CHECK(hilo::blocking([] { return std::this_thread::get_id(); }) == mine);
}

TEST_CASE("spare carriers: where the kernel gives no thread, the call holds its carrier up") {
  HILO_NEEDS(system_call_filters);
  const auto end = run_in_child([] {
    hilo::run(runtime_options{.carriers = 1}, [] {
      if (!hilo::test::refuse({.number = SYS_clone, .error = EAGAIN}) ||
          !hilo::test::refuse({.number = SYS_clone3, .error = EAGAIN})) {
        std::_Exit(2);
      }
      std::atomic<bool> ran{false};
      auto behind = hilo::spawn([&] { ran.store(true, std::memory_order_relaxed); });
      const bool meanwhile = hilo::blocking([&] {
        std::this_thread::sleep_for(50ms);
        return ran.load(std::memory_order_relaxed);
      });
      behind.join();
      if (meanwhile) std::_Exit(3);
      if (!ran.load(std::memory_order_relaxed)) std::_Exit(4);
    });
    std::_Exit(0);
  });
  CAPTURE(end.describe());
  CHECK(end.exited);
  CHECK(end.code == 0);
}

TEST_CASE("spare carriers: calls that wait for one go on when the kernel gives no thread for it") {
  HILO_NEEDS(system_call_filters);
  const auto end = run_in_child([] {
    hilo::run(runtime_options{.carriers = 4, .spare_carriers = 1, .stuck_after = 0ms}, [] {
      hilo::sleep_for(5ms);  // all carriers have started
      if (!hilo::test::refuse({.number = SYS_clone, .error = EAGAIN}) ||
          !hilo::test::refuse({.number = SYS_clone3, .error = EAGAIN})) {
        std::_Exit(2);
      }
      std::vector<hilo::fiber<void>> all;
      for (int i = 0; i < 8; ++i) {
        all.push_back(hilo::spawn([] {
          for (int k = 0; k < hilo::test::repetitions(3000); ++k) {
            hilo::blocking([] {});
            hilo::yield();
          }
        }));
      }
      for (auto& one : all) one.join();
    });
    std::_Exit(0);
  });
  CAPTURE(end.describe());
  CHECK(end.exited);
  CHECK(end.code == 0);
}

TEST_CASE("spare carriers: end after 10 s without use") {
  hilo::run(runtime_options{.carriers = 1}, [] {
    const auto begin = std::chrono::steady_clock::now();
    hilo::blocking([] { std::this_thread::sleep_for(5ms); });
    const std::size_t with_spare = hilo::test::take_stock().threads;
    while (hilo::test::take_stock().threads >= with_spare &&
           std::chrono::steady_clock::now() - begin < 20s) {
      hilo::sleep_for(50ms);
    }
    const auto lasted = std::chrono::steady_clock::now() - begin;
    CHECK(lasted >= 10s);
    CHECK(lasted < 15s);
    CHECK(hilo::blocking([] { return 7; }) == 7);  // another is started when it is needed
  });
}

TEST_CASE("monitor: with stuck_after 0 a system call holds its carrier up") {
  hilo::run(runtime_options{.carriers = 1, .stuck_after = 0ms}, [] {
    std::atomic<bool> ran{false};
    auto behind = hilo::spawn([&] { ran.store(true, std::memory_order_relaxed); });
    std::this_thread::sleep_for(100ms);  // several times the default
    CHECK_FALSE(ran.load(std::memory_order_relaxed));
    behind.join();
  });
}

TEST_CASE("monitor: reports of a busy fiber go to standard error, one a second at most, or never") {
  if (HILO_TSAN) HILO_SKIP("thread sanitizer keeps signals back from code that computes");
  const auto reports = [](std::chrono::milliseconds after, std::chrono::milliseconds time) {
    const auto end = run_in_child([=] {
      hilo::run(runtime_options{.carriers = 1, .report_busy_after = after}, [=] {
        const auto until = std::chrono::steady_clock::now() + time;
        while (std::chrono::steady_clock::now() < until) {
        }
      });
    });
    CAPTURE(end.describe());
    CHECK(end.exited);
    CHECK(end.code == 0);
    int count = 0;
    const std::string text = "has kept carrier 0 for ";
    for (auto at = end.output.find(text); at != std::string::npos;
         at = end.output.find(text, at + 1)) {
      ++count;
    }
    // Where the fiber hardly gets a processor, the report may not know which fiber it is.
    const bool named = end.says("hilo: fiber #1 \"main\" has kept");
    if (count != 0) CHECK((named || end.says("hilo: a fiber has kept")));
    return count;
  };
  const int some = reports(20ms, 1300ms);
  CHECK(some >= 1);
  CHECK(some <= 2);
  CHECK(reports(0ms, 300ms) == 0);
}
