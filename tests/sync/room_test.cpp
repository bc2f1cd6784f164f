// scope::wait_for_room.
#include <chrono>

#include "hilo/hilo.hpp"

#include "tests/doctest.hpp"
#include "tests/runtimes.hpp"

namespace {

using namespace std::chrono_literals;
using hilo::status;
using hilo::test::on_each_runtime;

}  // namespace

TEST_CASE("scope: wait_for_room returns when a child could start, and takes no place") {
  on_each_runtime([] {
    hilo::event gate;
    hilo::scope<> all({.limit = 2});
    const auto child = [&] { gate.wait(); };
    CHECK(all.wait_for_room() == status::ok);
    CHECK(all.spawn(child) == status::ok);
    CHECK(all.wait_for_room() == status::ok);
    CHECK(all.wait_for_room() == status::ok);
    CHECK(all.spawn(child) == status::ok);
    CHECK(all.wait_for_room(2ms) == status::timed_out);
    CHECK(all.wait_for_room(0ms) == status::timed_out);
    CHECK_FALSE(all.stop_token().stop_requested());
    gate.set();
    CHECK(all.wait_for_room() == status::ok);
    CHECK(all.spawn(child) == status::ok);
    all.join();
    CHECK(all.wait_for_room(0ms) == status::ok);
  });
}

TEST_CASE("scope: wait_for_room ends with a stop of the scope or of the caller") {
  on_each_runtime([] {
    hilo::scope<> all({.limit = 1});
    CHECK(all.spawn([] { (void)hilo::sleep_for(1h); }) == status::ok);
    auto stopper = hilo::spawn([&] { all.request_stop(); });
    CHECK(all.wait_for_room() == status::cancelled);
    stopper.join();

    auto stopped = hilo::spawn([] {
      hilo::scope<> inner({.limit = 1});
      CHECK(inner.spawn([] { (void)hilo::sleep_for(1h); }) == status::ok);
      CHECK(inner.wait_for_room() == status::cancelled);
      CHECK_FALSE(inner.stop_token().stop_requested());
    });
    stopped.request_stop();
    stopped.join();
  });
}

TEST_CASE("scope: wait_for_room never waits without a limit") {
  on_each_runtime([] {
    hilo::scope<> all;
    CHECK(all.wait_for_room() == status::ok);
    all.request_stop();
    CHECK(all.wait_for_room() == status::cancelled);
  });
}
