#include "hilo/fiber.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "hilo/channel.hpp"

#include "runtime/base/sanitizers.hpp"
#include "runtime/sched/fibers/fiber.hpp"
#include "tests/doctest.hpp"
#include "tests/runtimes.hpp"

using hilo::test::on_each_runtime;
using namespace std::chrono_literals;

TEST_CASE("fiber: join returns the value, by move, by reference and for void") {
  on_each_runtime([] {
    CHECK(hilo::spawn([] { return 42; }).join() == 42);
    CHECK(*hilo::spawn([] { return std::make_unique<int>(7); }).join() == 7);
    int here = 0;
    CHECK(&hilo::spawn([&]() -> int& { return here; }).join() == &here);
    hilo::spawn([&] { here = 5; }).join();
    CHECK(here == 5);
  });
}

TEST_CASE("fiber: arguments are decayed and moved into the fiber") {
  on_each_runtime([] {
    auto owned = std::make_unique<int>(9);
    const std::string text = "text";
    auto made = hilo::spawn([](std::unique_ptr<int> number,
                               std::string copy) { return copy + std::to_string(*number); },
                            std::move(owned), text);
    CHECK(made.join() == "text9");
    CHECK(owned == nullptr);
  });
}

TEST_CASE("fiber: join rethrows what left the callable") {
  on_each_runtime([] {
    auto failing = hilo::spawn([]() -> int { throw std::runtime_error("no luck"); });
    CHECK_THROWS_WITH_AS(failing.join(), "no luck", std::runtime_error);
    CHECK_FALSE(failing.joinable());
  });
}

TEST_CASE("fiber: captured objects end with the fiber, the result with its handle") {
  on_each_runtime([] {
    auto token = std::make_shared<int>(1);
    std::weak_ptr<int> watch = token;
    auto made = hilo::spawn([held = std::move(token)] { return std::make_shared<int>(*held); });
    while (!watch.expired()) hilo::yield();
    std::weak_ptr<int> result;
    {
      auto value = made.join();
      result = value;
      CHECK(*value == 1);
    }
    CHECK(result.expired());
  });
}

TEST_CASE("fiber: a dropped handle asks its fiber to stop and joins it") {
  on_each_runtime([] {
    std::atomic<bool> stopped{false};
    {
      auto dropped = hilo::spawn([&](std::stop_token stop) {
        while (!stop.stop_requested()) hilo::yield();
        stopped.store(true, std::memory_order_relaxed);
      });
    }
    CHECK(stopped.load(std::memory_order_relaxed));
    // A fiber that never asked for its token meets the request when it does.
    std::atomic<bool> requested{false};
    auto late = hilo::spawn([&requested] {
      while (!requested.load(std::memory_order_relaxed)) hilo::yield();
      return hilo::this_fiber::stop_token().stop_requested();
    });
    late.request_stop();
    requested.store(true, std::memory_order_relaxed);
    CHECK(late.join());
  });
}

TEST_CASE("fiber: a detached fiber ends by itself, before run returns") {
  for (const unsigned carriers : {1U, 2U, 8U}) {
    std::atomic<int> ended{0};
    hilo::run(hilo::runtime_options{.carriers = carriers}, [&] {
      for (int i = 0; i < 100; ++i) {
        hilo::spawn([&ended, i] {
          if (i % 2 == 0) hilo::sleep_for(2ms);
          ended.fetch_add(1, std::memory_order_relaxed);
        }).detach();
      }
    });
    CHECK(ended.load(std::memory_order_relaxed) == 100);
  }
}

TEST_CASE("fiber: ids differ, and a kernel thread has none") {
  CHECK(hilo::this_fiber::id() == hilo::fiber_id{});
  on_each_runtime([] {
    std::set<hilo::fiber_id> seen{hilo::this_fiber::id()};
    std::vector<hilo::fiber<hilo::fiber_id>> all;
    for (int i = 0; i < 500; ++i) all.push_back(hilo::spawn([] { return hilo::this_fiber::id(); }));
    for (auto& one : all) {
      const hilo::fiber_id outside = one.id();
      const hilo::fiber_id inside = one.join();
      CHECK(outside == inside);
      CHECK(seen.insert(inside).second);
    }
  });
}

TEST_CASE("fiber: sleep_for returns not before its time, and others run meanwhile") {
  on_each_runtime([] {
    const auto start = std::chrono::steady_clock::now();
    std::atomic<int> ran{0};
    auto other = hilo::spawn([&] { ran.store(1, std::memory_order_relaxed); });
    hilo::sleep_for(3ms);
    CHECK(std::chrono::steady_clock::now() - start >= 3ms);
    CHECK(ran.load(std::memory_order_relaxed) == 1);
    other.join();
    hilo::sleep_for(-1s);
    hilo::sleep_until(std::chrono::steady_clock::now() - 1h);
    // Each sleeper by itself: the order of expiry, not of going to sleep.
    hilo::channel<int> woken(8);
    std::vector<hilo::fiber<void>> sleepers;
    const auto base = std::chrono::steady_clock::now() + 5ms;
    for (int i = 7; i >= 0; --i) {
      sleepers.push_back(hilo::spawn([&, i] {
        hilo::sleep_until(base + i * 2ms);
        CHECK(std::chrono::steady_clock::now() >= base + i * 2ms);
        CHECK(woken.send(i) == hilo::status::ok);
      }));
    }
    for (auto& one : sleepers) one.join();
    CHECK(woken.size() == 8);
  });
}

TEST_CASE("fiber: exceptions in flight move with their fiber") {
  on_each_runtime([] {
    std::vector<hilo::fiber<int>> all;
    for (int i = 0; i < 64; ++i) {
      all.push_back(hilo::spawn([i] {
        int caught = 0;
        try {
          throw std::runtime_error(std::to_string(i));
        } catch (const std::runtime_error&) {
          hilo::yield();  // others throw and catch on this carrier now
          try {
            throw i + 1;
          } catch (int nested) {
            hilo::sleep_for(std::chrono::microseconds(i));
            caught += nested - 1;
          }
          CHECK(std::uncaught_exceptions() == 0);
          try {
            hilo::yield();
            throw;  // the outer one again
          } catch (const std::runtime_error& again) {
            caught += std::stoi(again.what());
          }
        }
        return caught;
      }));
    }
    for (int i = 0; i < 64; ++i) CHECK(all[static_cast<std::size_t>(i)].join() == 2 * i);
  });
}

TEST_CASE("fiber: floating point and callee-saved registers survive parking") {
  on_each_runtime([] {
    std::vector<hilo::fiber<double>> all;
    for (int f = 0; f < 16; ++f) {
      all.push_back(hilo::spawn([f] {
        double sum = f;
        std::uint64_t a = 1, b = 2, c = 3, d = 4, e = 5;
        for (int i = 0; i < 200; ++i) {
          sum += 0.5;
          a += b, b += c, c += d, d += e, e += a;
          hilo::yield();
        }
        std::uint64_t a2 = 1, b2 = 2, c2 = 3, d2 = 4, e2 = 5;
        for (int i = 0; i < 200; ++i) a2 += b2, b2 += c2, c2 += d2, d2 += e2, e2 += a2;
        return a == a2 && b == b2 && c == c2 && d == d2 && e == e2 ? sum : -1.0;
      }));
    }
    for (int f = 0; f < 16; ++f) CHECK(all[static_cast<std::size_t>(f)].join() == f + 100.0);
  });
}

TEST_CASE("fiber: joined from a kernel thread, and spawned from one") {
  hilo::runtime runtime({.carriers = 2});
  std::vector<std::thread> threads;
  std::atomic<int> sum{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i)
        sum.fetch_add(runtime.spawn([t, i] { return t * 1000 + i; }).join(),
                      std::memory_order_relaxed);
    });
  }
  for (auto& one : threads) one.join();
  CHECK(sum.load(std::memory_order_relaxed) == 200 * (0 + 1000 + 2000 + 3000) + 4 * 199 * 200 / 2);
}

TEST_CASE("fiber: a tree of spawns adds up") {
  struct tree {
    static std::int64_t sum(std::int64_t first, std::int64_t size) {
      if (size == 1) return first;
      std::array<hilo::fiber<std::int64_t>, 10> children;
      for (std::int64_t i = 0; i < 10; ++i) {
        children[static_cast<std::size_t>(i)] =
            hilo::spawn(sum, first + i * (size / 10), size / 10);
      }
      std::int64_t total = 0;
      for (auto& one : children) total += one.join();
      return total;
    }
  };
  on_each_runtime([] { CHECK(tree::sum(0, 10'000) == 49'995'000); });
}

TEST_CASE("fiber: more spawns than a ring holds run child first, each once") {
  on_each_runtime([] {
    // Thread sanitizer counts fibers as threads, and knows 8,128 at most.
    constexpr std::size_t many = HILO_TSAN ? 4'000 : 20'000;
    std::vector<std::atomic<std::uint8_t>> ran(many);
    std::vector<hilo::fiber<void>> all;
    for (std::size_t i = 0; i < many; ++i)
      all.push_back(hilo::spawn([&, i] { ran[i].fetch_add(1, std::memory_order_relaxed); }));
    for (auto& one : all) one.join();
    CHECK(std::all_of(ran.begin(), ran.end(), [](auto& n) { return n == 1; }));
  });
}

TEST_CASE("fiber: a spawned fiber starts although its parent goes on computing") {
  hilo::run(hilo::runtime_options{.carriers = 2}, [] {
    std::atomic<bool> started{false};
    auto child = hilo::spawn([&] { started.store(true, std::memory_order_relaxed); });
    // No park: only another carrier can start it. A hang here is caught by the test's own limit.
    while (!started.load(std::memory_order_relaxed)) std::this_thread::yield();
    child.join();
  });
}

#if !HILO_ASAN && !HILO_TSAN  // a context has more fields for them
TEST_CASE("fiber: what every life touches lies in four cache lines") {
  hilo::sched::fiber one;
  const auto line_of = [&](const void* field) {
    return (static_cast<const char*>(field) - reinterpret_cast<const char*>(&one)) / 64;
  };
  CHECK(line_of(&one.woken) == 1);
  CHECK(line_of(&one.context) == 2);
  CHECK(line_of(&one.join) == 2);
  CHECK(line_of(&one.started) == 3);
  CHECK(line_of(&one.urgency) == 3);
}
#endif
