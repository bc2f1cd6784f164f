#include "hilo/timer.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "hilo/fiber.hpp"
#include "hilo/latch.hpp"
#include "hilo/limit.hpp"
#include "hilo/runtime.hpp"
#include "hilo/select.hpp"

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
    CHECK_FALSE(one.cancel());  // it has fired, and stays so
    CHECK(one.has_fired());
    CHECK(one.wait() == status::ok);
    CHECK_FALSE(one.fire_at(steady::now()));
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

TEST_CASE("timer: one that is not set, or taken back, ends waits with closed") {
  on_each_runtime([] {
    hilo::timer one;
    CHECK(one.wait() == status::closed);
    CHECK_FALSE(one.has_fired());
    CHECK_FALSE(one.cancel());
    CHECK_FALSE(one.fire_after(1h));
    CHECK(one.fire_after(2h));
    std::vector<hilo::fiber<status>> all;
    for (int i = 0; i < 5; ++i) all.push_back(hilo::spawn([&] { return one.wait(); }));
    for (int i = 0; i < 5; ++i) hilo::yield();
    CHECK(one.cancel());
    for (auto& each : all) CHECK(each.join() == status::closed);
    CHECK(one.wait() == status::closed);
    CHECK_FALSE(one.cancel());
  });
}

TEST_CASE("timer: who waits follows a new time, sooner or later") {
  on_each_runtime([] {
    hilo::timer one(1h);
    auto waiting = hilo::spawn([&] { return one.wait(); });
    hilo::yield();
    one.fire_after(1ms);
    CHECK(waiting.join() == status::ok);

    // Again where this thread lost its CPU until the first time had come.
    for (bool in_time = false; !in_time;) {
      const auto start = steady::now();
      one.fire_after(2ms);
      auto longer = hilo::spawn([&] { return one.wait(); });
      hilo::yield();
      one.fire_at(start + 10ms);
      in_time = steady::now() - start < 2ms;
      CHECK(longer.join() == status::ok);
      CHECK((!in_time || steady::now() - start >= 10ms));
    }
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
    CHECK(slow.stop());
    CHECK_FALSE(slow.stop());
    for (auto& each : all) CHECK(each.join() == status::closed);
    CHECK(slow.wait() == status::closed);
  });
}

// The carrier is busy until the time has come, so that it finds the firing and the call at once.
TEST_CASE("timer: a firing is lost in no call that changes the time") {
  hilo::run({.carriers = 1}, [] {
    const auto change = [](auto call) {
      hilo::timer one(2ms);
      const auto due = steady::now() + 2ms;
      auto waits = hilo::spawn([&] { return one.wait(); });
      auto selects = hilo::spawn([&] { return hilo::select{hilo::fired_of(one)}.end; });
      hilo::yield();
      hilo::yield();
      while (steady::now() < due) {
      }
      CHECK_FALSE(call(one));
      CHECK(waits.join() == status::ok);
      CHECK(selects.join() == status::ok);
    };
    change([](hilo::timer& one) { return one.cancel(); });
    change([](hilo::timer& one) { return one.fire_after(1h); });
    change([](hilo::timer& one) { return one.fire_at(steady::now() + 1h); });
  });
}

TEST_CASE("timer: is a case of a select, which follows its time and ignores one that is not set") {
  on_each_runtime([] {
    hilo::timer one;
    hilo::channel<int> numbers;
    std::optional<int> number;
    // Not set, not enabled, not yet.
    CHECK(hilo::select{hilo::fired_of(one), hilo::otherwise} == 1);
    one.fire_after(0ns);
    CHECK(hilo::select{hilo::fired_of(one, false), hilo::otherwise} == 1);
    CHECK(hilo::select{hilo::fired_of(one), hilo::otherwise} == 0);
    CHECK(hilo::select{hilo::fired_of(one), hilo::after(1h)} == 0);
    one.fire_after(1h);
    CHECK(hilo::select{hilo::fired_of(one), hilo::otherwise} == 1);
    auto selects = hilo::spawn([&] {
      return hilo::select{hilo::receive_from(numbers, number), hilo::fired_of(one)}.index;
    });
    for (int i = 0; i < 3; ++i) hilo::yield();
    one.cancel();
    for (int i = 0; i < 3; ++i) hilo::yield();
    one.fire_after(1ms);
    CHECK(selects.join() == 1);

    hilo::select_list list;
    list.receive_from(numbers, number);
    list.add([&] { return hilo::fired_of(one); });
    CHECK(list.wait() == 1);
    one.fire_after(2h);
    auto sender = hilo::spawn([&] { return numbers.send(4); });
    CHECK(list.wait() == 0);
    CHECK(sender.join() == status::ok);
    one.fire_after(1ms);
    CHECK(list.wait() == 1);
  });
}

TEST_CASE("ticker: is a case of a select, which takes a tick only if it takes the case") {
  on_each_runtime([] {
    hilo::ticker every(2ms, missed_ticks::catch_up);
    const auto first = every.next_tick();
    hilo::channel<int> numbers(1);
    std::optional<int> number;
    CHECK(hilo::select{hilo::tick_of(every), hilo::after(1h)} == 0);
    CHECK(every.next_tick() == first + 2ms);
    CHECK(numbers.send(1) == status::ok);
    CHECK(hilo::select_first{hilo::receive_from(numbers, number), hilo::tick_of(every)} == 0);
    CHECK(hilo::select{hilo::tick_of(every, false), hilo::after(5ms)} == 1);
    CHECK(hilo::with_timeout(0ns, [&] { return every.next_tick(); }) == first + 2ms);
    CHECK(hilo::select{hilo::tick_of(every), hilo::otherwise} == 0);
    CHECK(every.next_tick() == first + 4ms);
    every.stop();
    CHECK(hilo::select{hilo::tick_of(every), hilo::after(3ms)} == 1);
    CHECK(every.next_tick() == steady::time_point::max());
  });
}

TEST_CASE("ticker: a wait that a limit ends takes no tick") {
  on_each_runtime([] {
    hilo::ticker every(10ms, missed_ticks::catch_up);
    const auto first = every.next_tick();
    int ticks = 0;
    while (ticks < 2) {
      if (hilo::with_timeout(1ms, [&] { return every.wait(); }) == status::ok) ++ticks;
    }
    CHECK(every.next_tick() == first + 20ms);
  });
}

TEST_CASE("ticker: reset begins anew, also one that was stopped") {
  on_each_runtime([] {
    hilo::ticker every(1h);
    auto waits = hilo::spawn([&] { return every.wait(); });
    hilo::yield();
    const auto start = steady::now();
    CHECK(every.reset(2ms));
    CHECK(waits.join() == status::ok);
    CHECK(steady::now() - start >= 2ms);
    CHECK(every.reset(1h, start + 5ms));
    CHECK(every.wait() == status::ok);
    CHECK(steady::now() - start >= 5ms);
    CHECK(every.next_tick() >= start + 5ms + 1h);  // later if the machine paused before reset()
    CHECK(every.stop());
    CHECK_FALSE(every.reset(1ms));
    CHECK(every.wait() == status::ok);
  });
}

TEST_CASE("timer: a loop that looks whether it has fired lets others run") {
  hilo::run({.carriers = 1}, [] {
    hilo::timer one;
    auto other = hilo::spawn([&] { one.fire_after(0ns); });
    while (!one.has_fired()) {
    }
    other.join();
  });
}

TEST_CASE("timer: misuse aborts with one line") {
  CHECK(hilo::test::run_in_child([] {
          hilo::ticker never(0ms);
        }).aborted_with("a ticker is made with a period of 0 ns"));
  CHECK(hilo::test::run_in_child([] {
          hilo::ticker every(1ms);
          every.reset(-1ns);
        }).aborted_with("a ticker is reset to a period of -1 ns"));
  CHECK(hilo::test::run_in_child([] {
          hilo::run({.carriers = 1}, [] {
            auto gone = std::make_unique<hilo::timer>(1h);
            auto waiting = hilo::spawn([&] { return gone->wait(); });
            hilo::yield();
            gone.reset();
          });
        }).aborted_with("a timer is destroyed while somebody waits for it"));
}
