#include "hilo/timer.hpp"

#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include "hilo/fiber.hpp"
#include "hilo/latch.hpp"
#include "hilo/limit.hpp"
#include "hilo/runtime.hpp"

#include "tests/death.hpp"
#include "tests/doctest.hpp"
#include "tests/runtimes.hpp"

using hilo::missed_ticks;
using hilo::status;
using hilo::test::on_each_runtime;
using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

TEST_CASE("timer: fires once, not early, for all who wait, and stays fired") {
  const auto check = [] {
    const auto start = steady::now();
    hilo::timer one(3ms);
    CHECK_FALSE(one.has_fired());
    CHECK(one.wait() == status::ok);
    CHECK(steady::now() - start >= 3ms);
    CHECK(one.has_fired());
    CHECK(one.wait() == status::ok);
    CHECK_FALSE(one.cancel());  // it has fired
    CHECK(one.wait() == status::cancelled);
    one.fire_at(steady::now());
    CHECK(one.wait() == status::ok);
  };
  check();  // in a kernel thread
  on_each_runtime(check);
  on_each_runtime([] {
    hilo::timer gun(5ms);
    std::vector<hilo::fiber<status>> all;
    for (int i = 0; i < 20; ++i) all.push_back(hilo::spawn([&] { return gun.wait(); }));
    for (auto& each : all) CHECK(each.join() == status::ok);
  });
}

TEST_CASE("timer: one that is not set, or taken back, ends waits with cancelled") {
  on_each_runtime([] {
    hilo::timer one;
    CHECK(one.wait() == status::cancelled);
    CHECK_FALSE(one.has_fired());
    CHECK_FALSE(one.cancel());
    one.fire_after(1h);
    std::vector<hilo::fiber<status>> all;
    for (int i = 0; i < 5; ++i) all.push_back(hilo::spawn([&] { return one.wait(); }));
    for (int i = 0; i < 5; ++i) hilo::yield();
    CHECK(one.cancel());
    for (auto& each : all) CHECK(each.join() == status::cancelled);
  });
}

TEST_CASE("timer: who waits follows a new time, sooner or later") {
  on_each_runtime([] {
    hilo::timer one(1h);
    auto waiting = hilo::spawn([&] { return one.wait(); });
    hilo::yield();
    one.fire_after(1ms);
    CHECK(waiting.join() == status::ok);

    const auto start = steady::now();
    one.fire_after(2ms);
    auto longer = hilo::spawn([&] { return one.wait(); });
    hilo::yield();
    one.fire_at(start + 10ms);
    CHECK(longer.join() == status::ok);
    CHECK(steady::now() - start >= 10ms);
  });
}

TEST_CASE("timer: limits and stop requests end a wait, and leave the timer to others") {
  on_each_runtime([] {
    hilo::timer one(1h);
    CHECK(hilo::with_timeout(1ms, [&] { return one.wait(); }) == status::timed_out);
    auto stopped = hilo::spawn([&] { return one.wait(); });
    hilo::yield();
    stopped.request_stop();
    CHECK(stopped.join() == status::cancelled);
    one.fire_after(1ms);
    CHECK(one.wait() == status::ok);
  });
}

TEST_CASE("ticker: ticks lie a whole number of periods after the start, never early") {
  const auto check = [] {
    const auto start = steady::now();
    hilo::ticker every(2ms, missed_ticks::catch_up);
    for (int i = 1; i <= 10; ++i) {
      CHECK(every.wait() == status::ok);
      CHECK(steady::now() - start >= i * 2ms);
    }
    // What was missed comes at once.
    std::this_thread::sleep_until(start + 60ms);
    for (int i = 11; i <= 30; ++i) CHECK(every.wait() == status::ok);
    CHECK(every.skipped() == 0);
  };
  check();
  on_each_runtime(check);
}

TEST_CASE("ticker: with skip the newest missed tick comes, and the rest are counted") {
  on_each_runtime([] {
    const auto start = steady::now();
    hilo::ticker every(5ms);
    hilo::sleep_until(start + 52ms);
    CHECK(every.wait() == status::ok);
    CHECK(every.skipped() >= 9);  // more if this thread lost its CPU
    const auto lost = static_cast<int>(every.skipped());
    CHECK(every.wait() == status::ok);
    CHECK(steady::now() - start >= (lost + 2) * 5ms);
  });
}

TEST_CASE("ticker: with delay the schedule moves") {
  on_each_runtime([] {
    const auto start = steady::now();
    hilo::ticker every(5ms, missed_ticks::delay);
    hilo::sleep_until(start + 22ms);
    CHECK(every.wait() == status::ok);
    CHECK(every.wait() == status::ok);
    CHECK(steady::now() - start >= 27ms);
  });
}

TEST_CASE("ticker: each of several waiters gets a tick of its own, and stop ends them all") {
  on_each_runtime([] {
    hilo::ticker every(1ms, missed_ticks::catch_up);
    const auto start = steady::now();
    std::vector<hilo::fiber<status>> all;
    for (int i = 0; i < 10; ++i) all.push_back(hilo::spawn([&] { return every.wait(); }));
    for (auto& each : all) CHECK(each.join() == status::ok);
    CHECK(steady::now() - start >= 10ms);
    all.clear();
    hilo::ticker slow(1h);
    for (int i = 0; i < 10; ++i) all.push_back(hilo::spawn([&] { return slow.wait(); }));
    for (int i = 0; i < 3; ++i) hilo::yield();
    slow.stop();
    for (auto& each : all) CHECK(each.join() == status::cancelled);
    CHECK(slow.wait() == status::cancelled);
  });
}

TEST_CASE("timer: misuse aborts with one line") {
  CHECK(hilo::test::run_in_child([] {
          hilo::ticker never(0ms);
        }).aborted_with("a ticker is made with a period of 0 ns"));
  CHECK(hilo::test::run_in_child([] {
          hilo::run({.carriers = 1}, [] {
            auto gone = std::make_unique<hilo::timer>(1h);
            auto waiting = hilo::spawn([&] { return gone->wait(); });
            hilo::yield();
            gone.reset();
          });
        }).aborted_with("a timer is destroyed while somebody waits for it"));
}
