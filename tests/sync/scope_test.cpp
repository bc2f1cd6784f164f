// Scopes: children never outlive them, the first exception stops the others, results come in order.

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <variant>
#include <vector>

#include "hilo/hilo.hpp"

#include "tests/death.hpp"
#include "tests/doctest.hpp"
#include "tests/runtimes.hpp"

using hilo::status;
using hilo::test::on_each_runtime;
using namespace std::chrono_literals;

TEST_CASE("scope: join waits for all children and gives their results in order") {
  on_each_runtime([] {
    hilo::scope<int> squares;
    for (int i = 0; i < 100; ++i) {
      CHECK(squares.spawn([i] {
        if (i % 3 == 0) hilo::yield();
        if (i % 10 == 0) hilo::sleep_for(1ms);
        return i * i;
      }) == status::ok);
    }
    const std::vector<int> all = squares.join();
    REQUIRE(all.size() == 100);
    for (int i = 0; i < 100; ++i) CHECK(all[static_cast<std::size_t>(i)] == i * i);
    CHECK(squares.spawn([] { return 5; }) == status::ok);
    CHECK(squares.join() == std::vector<int>{5});
  });
}

TEST_CASE("scope: the first exception stops the siblings and is rethrown") {
  on_each_runtime([] {
    hilo::event never;
    std::atomic<int> ended{0};
    hilo::scope<> all;
    for (int i = 0; i < 20; ++i) {
      CHECK(all.spawn([&](std::stop_token stop) {
        if (never.wait(hilo::interruptible) == status::cancelled && stop.stop_requested()) {
          ended.fetch_add(1, std::memory_order_relaxed);
        }
      }) == status::ok);
    }
    CHECK(all.spawn([] {
      hilo::sleep_for(1ms);
      throw std::runtime_error("the first");
    }) == status::ok);
    CHECK_THROWS_WITH(all.join(), "the first");
    CHECK(ended.load(std::memory_order_relaxed) == 20);
    CHECK(all.spawn([] {}) == status::cancelled);
    all.join();
  });
}

TEST_CASE("scope: a stop ends waits for a channel while other children begin waits for it") {
  on_each_runtime([] {
    for (int round = 0; round < 50; ++round) {
      hilo::channel<int> none;
      std::atomic<int> ended{0};
      hilo::scope<> all;
      for (int i = 0; i < 30; ++i) {
        CHECK(all.spawn([&] {
          if (!none.receive()) ended.fetch_add(1, std::memory_order_relaxed);
        }) == status::ok);
        CHECK(all.spawn([&] {
          std::optional<int> value;
          while (none.receive_for(value, 1us) != status::cancelled) {
          }
          ended.fetch_add(1, std::memory_order_relaxed);
        }) == status::ok);
      }
      hilo::sleep_for(100us);
      all.request_stop();
      status how = status::ok;
      all.join(how);
      CHECK(how == status::cancelled);
      CHECK(ended.load(std::memory_order_relaxed) == 60);
    }
  });
}

TEST_CASE("scope: leaving the block stops the children and waits for them") {
  on_each_runtime([] {
    std::atomic<int> ended{0};
    const auto leave = [&] {
      hilo::event never;
      hilo::scope<> all;
      for (int i = 0; i < 10; ++i) {
        CHECK(all.spawn([&] {
          CHECK(never.wait(hilo::interruptible) == status::cancelled);
          hilo::shielded([] { hilo::sleep_for(1ms); });
          ended.fetch_add(1, std::memory_order_relaxed);
        }) == status::ok);
      }
      throw std::logic_error("out");
    };
    CHECK_THROWS_AS(leave(), std::logic_error);
    CHECK(ended.load(std::memory_order_relaxed) == 10);
  });
}

TEST_CASE("scope: a stop request or a limit of its fiber reaches the children, theirs too") {
  on_each_runtime([] {
    hilo::event never;
    const auto family = [&](status expected) {
      hilo::scope<status> parents;
      for (int i = 0; i < 3; ++i) {
        (void)parents.spawn([&] {
          hilo::scope<status> children;
          for (int j = 0; j < 3; ++j)
            (void)children.spawn([&] { return never.wait(hilo::interruptible); });
          status all = status::ok;
          for (status one : children.join()) all = one;
          return all;
        });
      }
      // At a deadline of the family's, the parent may ask to stop before its child's wait has
      // ended.
      for (status one : parents.join()) CHECK((one == expected || one == status::cancelled));
    };
    auto stopped = hilo::spawn([&] { family(status::cancelled); });
    hilo::yield();
    stopped.request_stop();
    stopped.join();
    hilo::with_timeout(3ms, [&] { family(status::timed_out); });
  });
}

TEST_CASE("scope: its deadline ends the waits of the children") {
  on_each_runtime([] {
    hilo::event never;
    hilo::scope<status> all({.deadline = 2ms});
    for (int i = 0; i < 5; ++i)
      CHECK(all.spawn([&] { return never.wait(hilo::interruptible); }) == status::ok);
    for (status one : all.join()) CHECK(one == status::timed_out);
  });
}

TEST_CASE("scope: no more children run than its limit") {
  on_each_runtime([] {
    std::atomic<int> running{0};
    std::atomic<int> most{0};
    hilo::scope<> all({.limit = 3});
    for (int i = 0; i < 60; ++i) {
      CHECK(all.spawn([&] {
        const int now = running.fetch_add(1, std::memory_order_relaxed) + 1;
        int before = most.load(std::memory_order_relaxed);
        while (now > before &&
               !most.compare_exchange_weak(before, now, std::memory_order_relaxed)) {
        }
        hilo::yield();
        running.fetch_sub(1, std::memory_order_relaxed);
      }) == status::ok);
    }
    all.join();
    CHECK(most.load(std::memory_order_relaxed) <= 3);
    CHECK(most.load(std::memory_order_relaxed) >= 1);

    hilo::event never;
    hilo::scope<> full({.limit = 1});
    CHECK(full.spawn([&] { (void)never.wait(hilo::interruptible); }) == status::ok);
    hilo::with_timeout(2ms, [&] { CHECK(full.spawn([] {}) == status::timed_out); });
  });
}

TEST_CASE("when_all: returns what all return; the first exception wins") {
  on_each_runtime([] {
    auto [number, text, nothing] = hilo::when_all([] { return 1; },
                                                  [] {
                                                    hilo::sleep_for(1ms);
                                                    return std::string("two");
                                                  },
                                                  [] { hilo::yield(); });
    CHECK(number == 1);
    CHECK(text == "two");
    CHECK(nothing == std::monostate{});
    hilo::event never;
    CHECK_THROWS_AS(
        hilo::when_all([&] { CHECK(never.wait(hilo::interruptible) == status::cancelled); },
                       []() -> int { throw std::runtime_error("no"); }),
        std::runtime_error);
  });
}

TEST_CASE("race: the first to return wins, the others are stopped and waited for") {
  on_each_runtime([] {
    hilo::event never;
    std::atomic<int> stopped{0};
    const auto slow = [&] {
      if (never.wait(hilo::interruptible) == status::cancelled)
        stopped.fetch_add(1, std::memory_order_relaxed);
      return 0;
    };
    const int won = hilo::race(
        slow,
        [] {
          hilo::sleep_for(1ms);
          return 7;
        },
        slow, []() -> int { throw std::runtime_error("lost"); });
    CHECK(won == 7);
    CHECK(stopped.load(std::memory_order_relaxed) == 2);
    CHECK_THROWS_WITH(hilo::race([]() -> int { throw std::runtime_error("all lost"); },
                                 []() -> int {
                                   hilo::sleep_for(5ms);
                                   throw std::runtime_error("later");
                                 }),
                      "all lost");
    auto kept = hilo::race([] { return std::make_unique<int>(3); });
    CHECK(*kept == 3);
  });
}

TEST_CASE("scope: many children, stopped while they start, wait and end") {
  on_each_runtime([] {
    for (int round = 0; round < 20; ++round) {
      hilo::channel<int> numbers(2);
      std::atomic<int> ended{0};
      hilo::scope<> all;
      std::thread stopper([&] { all.request_stop(); });
      int started = 0;
      for (int i = 0; i < 200; ++i) {
        if (all.spawn([&, i] {
              if (i % 2 == 0) {
                (void)numbers.send(i);
              } else {
                (void)numbers.receive();
              }
              ended.fetch_add(1, std::memory_order_relaxed);
            }) == status::ok) {
          ++started;
        }
      }
      stopper.join();
      all.join();
      CHECK(ended.load(std::memory_order_relaxed) == started);
    }
  });
}

TEST_CASE("scope: wait_for ends with its time, and the children live on") {
  on_each_runtime([] {
    hilo::event go;
    hilo::scope<int> all;
    for (int i = 0; i < 5; ++i) {
      REQUIRE(all.spawn([&, i](std::stop_token stop) {
        go.wait();
        return stop.stop_requested() ? -1 : i;
      }) == status::ok);
    }
    CHECK(all.wait_for(0s) == status::timed_out);
    CHECK(all.wait_for(1ms) == status::timed_out);
    CHECK(all.wait_until(std::chrono::steady_clock::now() + 1ms) == status::timed_out);
    CHECK(hilo::with_timeout(1ms, [&] { return all.wait(); }) == status::timed_out);
    std::stop_source stop;
    stop.request_stop();
    CHECK(hilo::with_stop(stop.get_token(), [&] { return all.wait(); }) == status::cancelled);
    CHECK(!all.stop_token().stop_requested());
    go.set();
    CHECK(all.wait() == status::ok);
    CHECK(all.wait_for(0s) == status::ok);
    status how = status::failed;
    CHECK(all.join(how) == std::vector<int>{0, 1, 2, 3, 4});
    CHECK(how == status::ok);
  });
}

TEST_CASE("scope: join says how it came, beside the results of the children that returned") {
  on_each_runtime([] {
    hilo::event never;
    const auto family = [&](hilo::scope<status>& all) {
      for (int i = 0; i < 3; ++i) {
        CHECK(all.spawn([&] { return never.wait(hilo::interruptible); }) == status::ok);
      }
    };
    const std::vector<status> stopped(3, status::cancelled);
    status how = status::ok;
    {
      hilo::scope<status> all;
      family(all);
      CHECK(hilo::with_timeout(1ms, [&] { return all.join(how); }) == stopped);
      CHECK(how == status::timed_out);
    }
    {
      hilo::scope<status> all;
      family(all);
      std::stop_source stop;
      stop.request_stop();
      CHECK(hilo::with_stop(stop.get_token(), [&] { return all.join(how); }) == stopped);
      CHECK(how == status::cancelled);
    }
    {
      hilo::scope<status> all;
      family(all);
      all.request_stop();
      CHECK(all.join(how) == stopped);
      CHECK(how == status::cancelled);
    }
    {
      hilo::scope<status> all({.deadline = 1ms});
      family(all);
      CHECK(all.join(how) == std::vector<status>(3, status::timed_out));
      CHECK(how == status::timed_out);
    }
    {
      hilo::scope<> failing;
      CHECK(failing.spawn([] { throw std::runtime_error("no"); }) == status::ok);
      how = status::ok;
      CHECK_THROWS_WITH(failing.join(how), "no");
      CHECK(how == status::cancelled);
    }
  });
}

TEST_CASE("scope: a stop request or a limit that ends spawn() asks the children to stop") {
  on_each_runtime([] {
    hilo::event never;
    for (const status expected : {status::timed_out, status::cancelled}) {
      hilo::scope<status> all({.limit = 2});
      for (int i = 0; i < 2; ++i) {
        CHECK(all.spawn([&] { return never.wait(hilo::interruptible); }) == status::ok);
      }
      const auto one_more = [&] { return all.spawn([] { return status::ok; }); };
      if (expected == status::timed_out) {
        CHECK(hilo::with_timeout(1ms, one_more) == expected);
      } else {
        std::stop_source stop;
        stop.request_stop();
        CHECK(hilo::with_stop(stop.get_token(), one_more) == expected);
      }
      CHECK(all.stop_token().stop_requested());
      CHECK(one_more() == status::cancelled);
      status how = status::ok;
      CHECK(all.join(how) == std::vector<status>(2, status::cancelled));
      CHECK(how == status::cancelled);
    }
  });
}

TEST_CASE("scope: a stop by one child's token reaches the siblings") {
  on_each_runtime([] {
    hilo::event never;
    hilo::scope<status> all;
    for (int i = 0; i < 3; ++i) {
      CHECK(all.spawn([&] { return never.wait(hilo::interruptible); }) == status::ok);
    }
    all.request_stop();
    all.request_stop();  // once more does nothing
    CHECK(all.join() == std::vector<status>(3, status::cancelled));
  });
}

TEST_CASE("scope: a child that would wait for itself is told so") {
  const auto ends_with = [](void (*what)(std::optional<hilo::scope<>>&), const char* text) {
    for (const unsigned carriers : {1U, 2U, 4U}) {
      CAPTURE(carriers);
      const auto end = hilo::test::run_in_child([what, carriers] {
        hilo::run(hilo::runtime_options{.carriers = carriers}, [what] {
          std::optional<hilo::scope<>> all(std::in_place);
          (void)all->spawn([&] { what(all); });
          (void)hilo::sleep_for(1h);
        });
      });
      CAPTURE(end.describe());
      CHECK(end.aborted_with(text));
    }
  };
  ends_with([](std::optional<hilo::scope<>>& all) { all->join(); }, "a child joins its own scope");
  ends_with([](std::optional<hilo::scope<>>& all) { (void)all->wait_for(1s); },
            "a child waits for its own scope");
  ends_with([](std::optional<hilo::scope<>>& all) { all.reset(); },
            "a child destroys its own scope");
}
