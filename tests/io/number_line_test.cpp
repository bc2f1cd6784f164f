// The ends of the number line: the timed calls of I/O, and those of a fiber that waits for a
// thread, a child or a whole runtime, with durations and times at the ends of their types.
#include <atomic>
#include <chrono>
#include <csignal>
#include <thread>

#include <poll.h>
#include <unistd.h>

#include "hilo/hilo.hpp"
#include "hilo/net/name.hpp"
#include "hilo/signal_set.hpp"

#include "tests/doctest.hpp"
#include "tests/emulator.hpp"
#include "tests/extremes.hpp"
#include "tests/io/drivers.hpp"
#include "tests/io/names.hpp"

using hilo::status;
using namespace std::chrono_literals;
using namespace hilo::test;  // NOLINT(google-build-using-namespace)

namespace {

// check(name, wait, end): wait() returns whether end() ended the wait.
template <class V, class Check>
void each_io_call(V value, Check check) {
  const stream_pair pair;
  char byte = 0;
  check(
      "read", [&] { return hilo::io::read(pair.left(), &byte, 1, value).status() == status::ok; },
      [&] { CHECK(hilo::io::write(pair.right(), "x", 1).status() == status::ok); });
  check(
      "recv",
      [&] { return hilo::io::recv(pair.left(), &byte, 1, 0, value).status() == status::ok; },
      [&] { CHECK(hilo::io::write(pair.right(), "x", 1).status() == status::ok); });
  check(
      "poll", [&] { return hilo::io::poll(pair.left(), POLLIN, value).status() == status::ok; },
      [&] { CHECK(hilo::io::write(pair.right(), "x", 1).status() == status::ok); });
  hilo::io::signal_event event;
  check(
      "signal_event", [&] { return event.wait(value) == status::ok; }, [&] { event.set(); });
  scripted_name name("number-line.test", {"192.0.2.1"}, true);
  check(
      "look_up",
      [&] { return hilo::net::look_up("number-line.test", 80, value).status() == status::ok; },
      [&] {
        name.held.store(false, std::memory_order_release);
        name.held.notify_all();
      });
}

}  // namespace

TEST_CASE("number line: a time that never comes ends no wait for I/O") {
  const auto body = [] {
    each_endless([](auto value) {
      each_io_call(value, [](const char* name, auto wait, auto end) {
        hilo::thread partner([&] {
          std::this_thread::yield();
          end();
        });
        const bool ok = wait();
        CHECK_MESSAGE(ok, name);
        partner.join();
      });
      hilo::process quick({.path = "true"});
      CHECK(quick.wait(value).status() == status::ok);
    });
  };
  everywhere(body, {2U});
}

TEST_CASE("number line: a time that has passed ends each wait for I/O at once") {
  const auto body = [] {
    each_passed([](auto value) {
      each_io_call(value, [](const char* name, auto wait, auto) {
        const bool ok = wait();
        CHECK_FALSE_MESSAGE(ok, name);
      });
    });
    hilo::process slow({.path = "sleep", .arguments = {"1000"}});
    each_passed([&](auto value) { CHECK(slow.wait(value).status() == status::timed_out); });
  };
  everywhere(body, {2U});
}

TEST_CASE("number line: a signal is waited for by any time") {
  HILO_NEEDS(signal_masks);
  hilo::io::signal_set signals({SIGUSR1});
  const auto body = [&] {
    each_endless([&](auto value) {
      hilo::thread partner([] {
        std::this_thread::yield();
        CHECK(::kill(::getpid(), SIGUSR1) == 0);
      });
      CHECK(signals.receive(value).status() == status::ok);
      partner.join();
    });
    each_passed([&](auto value) { CHECK(signals.receive(value).status() == status::timed_out); });
  };
  everywhere(body, {2U});
}

TEST_CASE("number line: a fiber waits for a thread, a child and a runtime by any time") {
  hilo::run({.carriers = 2}, [] {
    each_endless([](auto value) {
      hilo::thread quick([] { std::this_thread::yield(); });
      CHECK(HILO_TIMED(quick.join, value));
      hilo::child child = hilo::clone().start([] { return 3; });
      CHECK(HILO_TIMED(child.wait, value).has_value());
      if constexpr (is_duration<decltype(value)>) {
        hilo::runtime other({.carriers = 1});
        other.spawn([] { (void)hilo::sleep_for(1h); }).detach();
        CHECK(hilo::blocking([&] { return other.stop(value); }) == 0);
      }
    });
    hilo::event enough;
    hilo::thread slow([&] { enough.wait(); });
    hilo::child lasting = hilo::clone().start([] {
      std::this_thread::sleep_for(1000s);
      return 3;
    });
    each_passed([&](auto value) {
      CHECK_FALSE(HILO_TIMED(slow.join, value));
      CHECK_FALSE(HILO_TIMED(lasting.wait, value).has_value());
    });
    enough.set();
    slow.join();
    lasting.kill(SIGKILL);
    (void)lasting.wait();
  });
}
