// Simulation itself: what a run is, that it is repeatable, and how failures are told.
#include "hilo/simulate.hpp"

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <sched.h>

#include "hilo/blocking.hpp"
#include "hilo/channel.hpp"
#include "hilo/fiber_local.hpp"
#include "hilo/fork_join.hpp"
#include "hilo/io.hpp"
#include "hilo/latch.hpp"
#include "hilo/mutex.hpp"
#include "hilo/runtime.hpp"
#include "hilo/scope.hpp"
#include "hilo/select.hpp"
#include "hilo/semaphore.hpp"
#include "hilo/thread.hpp"

#include "tests/death.hpp"
#include "tests/doctest.hpp"

namespace {

using namespace std::chrono_literals;
using hilo::explore;
using hilo::simulate;
using hilo::simulation_failure;
using hilo::simulation_report;

// Some of everything, so that a trace depends on chance in many places.
void busy_street() {
  hilo::channel<int> left(1);
  hilo::channel<int> right;
  hilo::mutex guard;
  hilo::scope<> all;
  for (int i = 0; i < 3; ++i) {
    (void)all.spawn([&, i] {
      for (int n = 0; n < 5; ++n) {
        (void)hilo::select{hilo::send_to(left, n), hilo::send_to(right, n), hilo::after(50us)};
        const std::scoped_lock lock(guard);
        hilo::sleep_for(std::chrono::microseconds(10 * i));
      }
    });
    (void)all.spawn([&] {
      std::optional<int> value;
      while (left.receive_for(value, 1ms) == hilo::status::ok) (void)right.receive_for(value, 1us);
    });
  }
  all.join();
}

// The failure that explore() meets; fails the test case when there is none.
template <class F>
simulation_failure failure_of(const hilo::explore_options& options, F f) {
  try {
    explore(options, f);
  } catch (const simulation_failure& found) {
    return found;
  }
  FAIL("no seed fails");
  std::abort();
}

// HILO_SEED for as long as it lives.
struct given_seed {
  explicit given_seed(const std::string& value) { ::setenv("HILO_SEED", value.c_str(), 1); }
  ~given_seed() { ::unsetenv("HILO_SEED"); }
  given_seed(const given_seed&) = delete;
  given_seed& operator=(const given_seed&) = delete;
};

void lose_an_update() {
  hilo::mutex guard;
  int balance = 0;
  const auto pay = [&] {
    int now = 0;
    {
      const std::scoped_lock lock(guard);
      now = balance;
    }
    const std::scoped_lock lock(guard);
    balance = now + 1;
  };
  auto other = hilo::spawn(pay);
  pay();
  other.join();
  if (balance != 2) throw std::logic_error("an update is lost");
}

void lock_both_ways() {
  hilo::mutex fork;
  hilo::mutex knife;
  auto first = hilo::spawn(hilo::spawn_options{.name = "first"}, [&] {
    const std::scoped_lock one(fork);
    const std::scoped_lock two(knife);
  });
  auto second = hilo::spawn(hilo::spawn_options{.name = "second"}, [&] {
    const std::scoped_lock one(knife);
    const std::scoped_lock two(fork);
  });
  first.join();
  second.join();
}

TEST_CASE("simulate: the same seed gives the same trace, another seed another one") {
  const simulation_report once = simulate(42, busy_street);
  const simulation_report again = simulate(42, busy_street);
  CHECK(once.trace == again.trace);
  CHECK(once.decisions == again.decisions);
  CHECK(once.elapsed == again.elapsed);
  CHECK(once.fibers == 7);
  CHECK(once.decisions > 50);
  CHECK(simulate(43, busy_street).trace != once.trace);
  const auto first = explore({.seeds = 50}, busy_street);
  const auto second = explore({.seeds = 50}, busy_street);
  CHECK(first.runs == 50);
  CHECK(first.trace == second.trace);
  // A run does not depend on those before it.
  std::vector<std::uint64_t> traces;
  const auto note = [&](std::uint64_t seed) {
    traces.push_back(simulate(seed, busy_street).trace);
  };
  note(9);
  note(8);
  CHECK(explore({.seeds = 1, .first_seed = 8}, busy_street).trace !=
        explore({.seeds = 1, .first_seed = 9}, busy_street).trace);
  CHECK(simulate(8, busy_street).trace == traces[1]);
}

TEST_CASE("simulate: a day passes in no time, in order and exactly") {
  std::vector<int> order;
  const simulation_report run = simulate(1, [&] {
    const auto start = hilo::now();
    hilo::scope<> all;
    for (const int hours : {24, 3, 12}) {
      (void)all.spawn([&, hours] {
        CHECK(hilo::sleep_until(start + std::chrono::hours(hours)) == hilo::status::ok);
        CHECK(hilo::now() - start >= std::chrono::hours(hours));
        CHECK(hilo::now() - start < std::chrono::hours(hours) + 1ms);
        order.push_back(hours);
      });
    }
    all.join();
  });
  CHECK(order == std::vector<int>{3, 12, 24});
  CHECK(run.elapsed >= 24h);
  CHECK(run.elapsed < 24h + 1ms);
}

TEST_CASE("simulate: who only yields lets time pass and others run") {
  simulate(2, [] {
    const auto start = hilo::now();
    while (hilo::now() - start < 2ms) hilo::yield();
    bool done = false;
    auto sleeper = hilo::spawn([&] {
      hilo::sleep_for(1h);
      done = true;
    });
    while (!done) hilo::yield();
    sleeper.join();
    CHECK(hilo::now() - start >= 1h);
  });
}

TEST_CASE("simulate: a deadline is met before its waker and after it") {
  int first = 0;
  int second = 0;
  const auto f = [&] {
    hilo::event opened;
    auto opens = hilo::spawn([&] {
      for (int i = 0; i < 5; ++i) hilo::simulation_point();
      opened.set();
    });
    ++(opened.wait_for(100us) ? first : second);
    opens.join();
  };
  explore({.seeds = 200}, f);
  CHECK(first != 0);
  CHECK(second != 0);
  first = second = 0;
  explore({.seeds = 200, .each = {.delay = 0ns}}, f);
  CHECK(second == 0);
}

TEST_CASE("simulate: an update lost between two calls is found, by both schedules") {
  for (const auto order : {hilo::schedule::uniform, hilo::schedule::priority}) {
    const simulation_failure found =
        failure_of({.seeds = 200, .each = {.order = order}}, lose_an_update);
    CHECK(found.cause != nullptr);
    CHECK_THROWS_AS(std::rethrow_exception(found.cause), std::logic_error);
    const std::string what = found.what();
    CHECK(what.find("an update is lost") != std::string::npos);
    CHECK(what.find("HILO_SEED=" + std::to_string(found.run.seed) + " replays it") !=
          std::string::npos);
  }
}

TEST_CASE("simulate: HILO_SEED replays the failure, and only that run") {
  const simulation_failure found = failure_of({.seeds = 200}, lose_an_update);
  CHECK(found.run.seed > 1);  // else the next lines show nothing
  const given_seed seed(std::to_string(found.run.seed));
  int runs = 0;
  const simulation_failure again = failure_of({.seeds = 200}, [&] {
    ++runs;
    lose_an_update();
  });
  CHECK(runs == 1);
  CHECK(again.run.trace == found.run.trace);
  CHECK(again.run.decisions == found.run.decisions);
}

TEST_CASE("simulate: HILO_SEED that is no number is refused") {
  const given_seed seed("seven");
  CHECK_THROWS_WITH_AS(explore({}, [] {}), doctest::Contains("HILO_SEED is \"seven\", no number"),
                       std::system_error);
}

TEST_CASE("simulate: a deadlock names every fiber and what it waits for") {
  const simulation_failure found = failure_of({.seeds = 200}, lock_both_ways);
  CHECK(found.cause == nullptr);
  REQUIRE(found.waiting.size() == 3);
  CHECK(found.waiting[0].name == "main");
  CHECK(found.waiting[0].waits_for == "join");
  CHECK(found.waiting[1].name == "first");
  CHECK(found.waiting[1].waits_for == "mutex");
  CHECK(found.waiting[2].id.value == 3);
  CHECK(found.waiting[2].spawned_at.find("simulate_test+0x") != std::string::npos);
  const std::string what = found.what();
  CHECK(what.find("deadlock: nobody can run, and no timer is set") != std::string::npos);
  CHECK(what.find("fiber #2 \"first\" waits for mutex; spawned at ") != std::string::npos);
}

TEST_CASE("simulate: a deadlock during unwinding does not hide the exception") {
  const simulation_failure found = failure_of({.seeds = 1}, [] {
    hilo::mutex guard;
    guard.lock();
    auto waits = hilo::spawn([&] { guard.lock(); });
    throw std::runtime_error("why it all began");
  });
  REQUIRE(found.waiting.size() == 2);
  CHECK(found.waiting[0].waits_for == "join, while an exception unwinds it");
}

TEST_CASE("simulate: an endless run is told from a deadlock") {
  const simulation_failure found = failure_of({.seeds = 1, .each = {.most_decisions = 1000}}, [] {
    hilo::mutex guard;
    guard.lock();
    auto spins = hilo::spawn(hilo::spawn_options{.name = "spinner"}, [&] {
      while (!guard.try_lock()) {
      }
    });
    spins.join();
  });
  const std::string what = found.what();
  CHECK(what.find("no end after 1000 decisions") != std::string::npos);
  CHECK(what.find("\"spinner\" waits for its turn") != std::string::npos);
}

TEST_CASE("simulate: what a failure left behind does not disturb later simulations") {
  for (int i = 0; i < 5; ++i) {
    CHECK_THROWS_AS(simulate(1,
                             [] {
                               hilo::semaphore never(0);
                               (void)never.acquire(hilo::interruptible);
                             }),
                    simulation_failure);
  }
  CHECK(simulate(42, busy_street).fibers == 7);
}

TEST_CASE("simulate: a lost wake-up is a deadlock, detached fibers are waited for") {
  bool ended = false;
  simulate(5, [&] {
    hilo::spawn([&] {
      hilo::sleep_for(1h);
      ended = true;
    }).detach();
  });
  CHECK(ended);
}

TEST_CASE("simulate: the calls of a fork_join interleave") {
  bool first_before = false;
  bool second_before = false;
  explore({.seeds = 100}, [&] {
    int at = 0;
    hilo::fork_join(
        [&] {
          hilo::simulation_point();
          if (++at == 1) first_before = true;
        },
        [&] {
          hilo::simulation_point();
          if (++at == 1) second_before = true;
        });
  });
  CHECK(first_before);
  CHECK(second_before);
}

TEST_CASE("simulate: pinned, urgent and local fibers are as in a runtime") {
  explore({.seeds = 50}, [] {
    hilo::fiber_local<int> mine;
    int sum = 0;
    hilo::scope<> all({.fibers = {.urgency = hilo::priority::high, .pinned = true}});
    for (int i = 1; i <= 3; ++i) {
      (void)all.spawn([&, i] {
        *mine = i;
        hilo::this_fiber::unpin();
        hilo::yield();
        hilo::this_fiber::pin();
        sum += *mine;
      });
    }
    all.join();
    CHECK(sum == 6);
  });
}

TEST_CASE("simulate: works beside a runtime, and in two threads at once") {
  const std::uint64_t alone = explore({.seeds = 50}, busy_street).trace;
  hilo::runtime other;
  std::atomic<bool> done{false};
  auto busy = other.spawn([&] {
    while (!done.load(std::memory_order_relaxed)) hilo::yield();  // orders nothing
  });
  std::uint64_t there = 0;
  std::thread thread([&] { there = explore({.seeds = 50}, busy_street).trace; });
  const std::uint64_t here = explore({.seeds = 50}, busy_street).trace;
  thread.join();
  done.store(true, std::memory_order_relaxed);  // as above
  busy.join();
  CHECK(here == alone);
  CHECK(there == alone);
}

TEST_CASE("simulate: a fiber cannot simulate") {
  hilo::run([] { CHECK_THROWS_AS(simulate(1, [] {}), std::system_error); });
  const simulation_failure found = failure_of({.seeds = 1}, [] { simulate(1, [] {}); });
  CHECK(std::string(found.what()).find("the caller is a fiber") != std::string::npos);
}

TEST_CASE("simulate: what needs the kernel or another thread is refused") {
  const auto dies = [](void (*f)(), const char* message) {
    const auto end = hilo::test::run_in_child([f] { simulate(11, f); });
    CAPTURE(end.describe());
    CHECK(end.aborted_with(message));
    CHECK(end.says("this was in the simulation with seed 11, decision "));
  };
  dies([] { hilo::blocking([] {}); }, "hilo: hilo::blocking in a simulation");
  dies([] { hilo::thread([] {}).join(); },
       "hilo: waiting for a kernel thread or process in a simulation");
  dies(
      [] {
        char byte = 0;
        (void)hilo::io::read(0, &byte, 1);
      },
      "hilo: I/O in a simulation");
  dies(
      [] {
        hilo::result<short> ready = 0;
        (void)hilo::select{hilo::io::ready_of(0, POLLIN, ready), hilo::otherwise};
      },
      "hilo: I/O in a simulation");
  dies([] { hilo::sleep_until(std::chrono::steady_clock::now() + 1s); },
       "waits until a time of a real clock; take hilo::now()");
  dies([] { hilo::sleep_until(std::chrono::system_clock::now() + 1s); },
       "waits until a time of a real clock; take hilo::now()");
}

TEST_CASE("simulate: a wake from another thread is refused") {
  const auto end = hilo::test::run_in_child([] {
    simulate(12, [] {
      hilo::event opened;
      auto waits = hilo::spawn([&] {
        while (true) {
          opened.wait();
          opened.reset();
        }
      });
      std::thread outside([&] {
        while (true) opened.set();
      });
      while (true) {
        ::sched_yield();
        hilo::yield();
      }
    });
  });
  CAPTURE(end.describe());
  CHECK(end.aborted_with("a fiber of a simulation is woken from outside"));
}

TEST_CASE("simulate: an abort and a fault tell the seed and end as they would") {
  auto end = hilo::test::run_in_child([] { simulate(17, [] { std::abort(); }); });
  CAPTURE(end.describe());
  CHECK(end.signal == SIGABRT);
  CHECK(end.says("this was in the simulation with seed 17, decision 1; HILO_SEED=17 replays it"));
  end = hilo::test::run_in_child([] {
    simulate(18, [] {
      hilo::mutex guard;
      guard.unlock();
    });
  });
  CHECK(end.aborted_with("unlock of a mutex that is not locked"));
  CHECK(end.says("HILO_SEED=18 replays it"));
  end = hilo::test::run_in_child([] {
    simulate(19, [] { hilo::spawn([] { throw std::runtime_error("nobody joins"); }).detach(); });
  });
  CHECK(end.aborted_with("nobody joins"));
  CHECK(end.says("HILO_SEED=19 replays it"));
}

}  // namespace
