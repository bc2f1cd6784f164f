// Rounds of a barrier that overlap, and what tells participants apart.

#include "hilo/barrier.hpp"

#include <atomic>
#include <chrono>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "hilo/hilo.hpp"

#include "tests/death.hpp"
#include "tests/doctest.hpp"
#include "tests/runtimes.hpp"

using hilo::interruptible;
using hilo::status;
using hilo::test::on_each_runtime;
using hilo::test::run_in_child;

TEST_CASE("barrier: who arrives while a completion runs has arrived for the next round") {
  on_each_runtime([] {
    hilo::event arrived;
    hilo::event in_completion;
    hilo::event arrived_early;
    int completed = 0;
    hilo::barrier pair(2, [&] {
      if (++completed != 1) return;
      in_completion.set();
      arrived_early.wait();
    });
    auto cancelled = hilo::spawn([&] {
      CHECK(pair.arrive_and_wait(interruptible) == status::cancelled);
      arrived.set();
      in_completion.wait();
      auto token = pair.arrive();  // for the second round, though the first is not over
      arrived_early.set();
      pair.wait(std::move(token));
      CHECK(completed == 2);
    });
    cancelled.request_stop();
    arrived.wait();
    pair.arrive_and_wait();
    CHECK(completed >= 1);
    pair.arrive_and_wait();
    CHECK(completed == 2);
    cancelled.join();
  });
}

TEST_CASE("barrier: a round that is full when a completion returns ends too") {
  on_each_runtime([] {
    hilo::event arrived;
    hilo::event in_completion;
    hilo::event arrived_early;
    int completed = 0;
    hilo::barrier some(2, [&] {
      if (++completed != 1) return;
      in_completion.set();
      arrived_early.wait();
    });
    auto other = hilo::spawn([&] {
      CHECK(some.arrive_and_wait(interruptible) == status::cancelled);
      arrived.set();
      in_completion.wait();
      auto token = some.arrive(1);
      some.arrive_and_drop();  // nobody else is in the second round
      arrived_early.set();
      some.wait(std::move(token));
      CHECK(completed == 2);
    });
    other.request_stop();
    arrived.wait();
    some.arrive_and_wait();
    other.join();
    CHECK(completed == 2);
    some.arrive_and_wait();  // alone from here on
    CHECK(completed == 3);
  });
}

TEST_CASE("barrier: an arrival's token waits for its own round") {
  on_each_runtime([] {
    std::atomic<int> completed{0};
    hilo::barrier line(3, [&] { completed.fetch_add(1, std::memory_order_relaxed); });
    auto token = line.arrive(2);
    CHECK(hilo::with_timeout(std::chrono::milliseconds(0), [&] {
            auto copy = std::move(token);
            const status end = line.wait(std::move(copy), interruptible);
            token = std::move(copy);
            return end;
          }) == status::timed_out);
    CHECK(completed.load(std::memory_order_relaxed) == 0);
    auto last = hilo::spawn([&] { line.arrive_and_wait(); });
    line.wait(std::move(token));
    CHECK(completed.load(std::memory_order_relaxed) == 1);
    last.join();
    auto late = line.arrive(3);
    line.wait(std::move(late));  // over already
    CHECK(completed.load(std::memory_order_relaxed) == 2);
  });
  static_assert(!std::is_copy_constructible_v<hilo::barrier::arrival_token>);
}

TEST_CASE("barrier: one participant of each round leads") {
  on_each_runtime([] {
    constexpr int rounds = 50;
    hilo::barrier line(5);
    std::vector<std::atomic<int>> leaders(rounds);
    const auto take_part = [&] {
      for (auto& each : leaders) {
        if (line.arrive_and_elect()) each.fetch_add(1, std::memory_order_relaxed);
      }
    };
    std::vector<hilo::fiber<void>> all;
    for (int i = 0; i < 4; ++i) all.push_back(hilo::spawn(take_part));
    std::thread outside(take_part);
    for (auto& one : all) one.join();
    outside.join();
    for (auto& each : leaders) CHECK(each.load(std::memory_order_relaxed) == 1);
  });
}

TEST_CASE("barrier: misuse aborts with a line that names it") {
  CHECK(run_in_child([] {
          hilo::barrier line(2);
          (void)line.arrive(3);
        }).aborted_with("hilo: more arrive at a barrier than it has participants"));
  CHECK(run_in_child([] {
          hilo::barrier line(2);
          (void)line.arrive(0);
        }).aborted_with("hilo: 0 arrive at a barrier; it must be 1 or more"));
  CHECK(run_in_child([] {
          hilo::barrier line(-1);
        }).aborted_with("hilo: a barrier is made for -1 participants"));
  CHECK(run_in_child([] {
          hilo::latch gate(2);
          gate.count_down(3);
        }).aborted_with("hilo: a latch is counted below 0"));
  CHECK(run_in_child([] {
          hilo::latch gate(2);
          gate.count_down(-1);
        }).aborted_with("hilo: a latch is counted down by -1"));
}
