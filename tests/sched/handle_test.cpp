// The handle of a fiber, and what a fiber may ask about itself.

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "hilo/fiber.hpp"
#include "hilo/latch.hpp"
#include "hilo/limit.hpp"
#include "hilo/runtime.hpp"
#include "hilo/stack_usage.hpp"

#include "tests/death.hpp"
#include "tests/doctest.hpp"
#include "tests/runtimes.hpp"

using hilo::status;
using hilo::test::on_each_runtime;
using hilo::test::run_in_child;
using namespace std::chrono_literals;

TEST_CASE("handle: assigning another fiber to it stops and joins the one before") {
  on_each_runtime([] {
    std::atomic<bool> ended{false};
    hilo::event never;
    auto handle = hilo::spawn([&] {
      CHECK(never.wait(hilo::interruptible) == status::cancelled);
      hilo::yield();
      ended.store(true, std::memory_order_relaxed);
      return 1;
    });
    handle = hilo::spawn([] { return 2; });
    CHECK(ended.load(std::memory_order_relaxed));
    CHECK(handle.join() == 2);
  });
}

TEST_CASE("handle: an exception that nobody took is dropped with the handle") {
  on_each_runtime([] {
    for (const bool early : {true, false}) {
      auto failing = hilo::spawn([]() -> int { throw std::runtime_error("unheard"); });
      if (early) CHECK(failing.wait() == status::ok);
    }
  });
}

TEST_CASE("handle: wait() ends as it says, and leaves the result to join()") {
  on_each_runtime([] {
    hilo::event go;
    auto slow = hilo::spawn([&]() -> int {
      go.wait();
      throw std::runtime_error("late");
    });
    CHECK(slow.wait_for(0s) == status::timed_out);
    CHECK(slow.wait_until(std::chrono::system_clock::now() + 1ms) == status::timed_out);
    hilo::with_timeout(1ms, [&] { CHECK(slow.wait() == status::timed_out); });
    auto waiting = hilo::spawn([&] { return slow.wait(); });
    hilo::yield();
    waiting.request_stop();
    CHECK(waiting.join() == status::cancelled);
    go.set();
    CHECK(slow.wait() == status::ok);
    CHECK(slow.wait_for(0s) == status::ok);
    CHECK(slow.joinable());
    CHECK_THROWS_WITH_AS(slow.join(), "late", std::runtime_error);
  });
}

TEST_CASE("handle: neither a limit nor a stop request ends join()") {
  on_each_runtime([] {
    hilo::event go;
    auto slow = hilo::spawn([&] {
      go.wait();
      return 3;
    });
    auto joining = hilo::spawn([&] { return hilo::with_timeout(0s, [&] { return slow.join(); }); });
    joining.request_stop();
    hilo::sleep_for(1ms);
    go.set();
    CHECK(joining.join() == 3);
  });
}

TEST_CASE("handle: an empty one has the number 0, takes a stop request, and refuses the rest") {
  hilo::fiber<void> none;
  CHECK(none.id() == hilo::fiber_id{});
  CHECK_FALSE(none.joinable());
  none.request_stop();
  const auto refused = [](auto call, const char* text) {
    const auto end = run_in_child([call] {
      hilo::fiber<void> empty;
      call(empty);
    });
    CAPTURE(end.describe());
    CHECK(end.aborted_with(text));
  };
  refused([](auto& empty) { empty.join(); }, "hilo: join of an empty fiber handle");
  refused([](auto& empty) { (void)empty.wait(); }, "hilo: wait of an empty fiber handle");
  refused([](auto& empty) { (void)empty.wait_for(1s); }, "hilo: wait of an empty fiber handle");
  refused([](auto& empty) { empty.detach(); }, "hilo: detach of an empty fiber handle");
  refused([](auto& empty) { (void)hilo::stack_usage(empty); },
          "hilo: stack_usage of an empty fiber handle");
}

TEST_CASE("spawn: the form with an error code clears it when the fiber starts") {
  on_each_runtime([] {
    std::error_code error = std::make_error_code(std::errc::io_error);
    auto made = hilo::spawn(
        error, {}, [](std::stop_token stop, int n) { return stop.stop_possible() ? n : 0; }, 6);
    CHECK_FALSE(error);
    CHECK(made.join() == 6);
  });
}

TEST_CASE("spawn: a fiber keeps 23 characters of its name") {
  const auto end = run_in_child([] {
    hilo::run(hilo::runtime_options{.carriers = 1}, [] {
      hilo::spawn({.name = "abcdefghijklmnopqrstuvwxyz"}, [] {
        throw std::runtime_error("named");
      }).detach();
      hilo::sleep_for(5s);
    });
  });
  CAPTURE(end.describe());
  CHECK(end.aborted_with("\"abcdefghijklmnopqrstuvw\": named"));
}

TEST_CASE("yield: the caller goes to the end of its carrier's queue") {
  hilo::run(hilo::runtime_options{.carriers = 1}, [] {
    std::string order;
    std::vector<hilo::fiber<void>> all;
    hilo::event go;
    int waiting = 0;  // a fiber that has not begun yet is in another queue
    for (const char name : {'a', 'b', 'c', 'd'}) {
      all.push_back(hilo::spawn([&, name] {
        ++waiting;
        go.wait();
        for (int turn = 0; turn < 5; ++turn) {
          order += name;
          hilo::yield();
        }
      }));
    }
    while (waiting != 4) hilo::yield();
    go.set();
    for (auto& one : all) one.join();
    REQUIRE(order.size() == 20);
    const std::string round = order.substr(0, 4);
    for (const char name : {'a', 'b', 'c', 'd'}) CHECK(round.find(name) != std::string::npos);
    for (std::size_t turn = 1; turn < 5; ++turn) CHECK(order.substr(turn * 4, 4) == round);
  });
}

TEST_CASE("sleep: says what ended it, in a fiber and in a kernel thread") {
  const auto check = [] {
    CHECK(hilo::sleep_for(1us) == status::ok);
    CHECK(hilo::sleep_for(-1h) == status::ok);
    CHECK(hilo::with_timeout(1ms, [] { return hilo::sleep_for(1h); }) == status::timed_out);
    std::stop_source source;
    source.request_stop();
    CHECK(hilo::with_stop(source.get_token(), [] {
            return hilo::sleep_until(std::chrono::steady_clock::now() + 1h);
          }) == status::cancelled);
  };
  check();
  on_each_runtime(check);
}

TEST_CASE("this_fiber: a kernel thread has a stop token that is never requested") {
  CHECK_FALSE(hilo::this_fiber::stop_token().stop_requested());
  CHECK_FALSE(hilo::this_fiber::stop_token().stop_possible());
  hilo::run([] { CHECK(hilo::this_fiber::stop_token().stop_possible()); });
}
