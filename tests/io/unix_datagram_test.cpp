// hilo::net::unix_datagram, whose senders wait for their receivers, on both drivers.
#include <array>
#include <chrono>
#include <cstdint>
#include <random>
#include <stop_token>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

#include <time.h>

#include "hilo/fiber.hpp"
#include "hilo/limit.hpp"
#include "hilo/net/unix.hpp"

#include "runtime/base/sanitizers.hpp"
#include "tests/doctest.hpp"
#include "tests/emulator.hpp"
#include "tests/io/directory.hpp"
#include "tests/io/drivers.hpp"
#include "tests/runtimes.hpp"

namespace {

using namespace std::chrono_literals;
using hilo::status;
using hilo::net::unix_address;
using hilo::net::unix_datagram;
using hilo::test::directory;
using hilo::test::on_each_driver;

// Sends numbers from 0 on until one has to wait. Returns how many were sent.
std::uint32_t fill(unix_datagram& sender, const unix_address& to) {
  std::uint32_t next = 0;
  while (true) {
    const auto sent = sender.send_to(&next, sizeof next, to, 1ms);
    if (!sent) {
      CHECK(sent.status() == status::timed_out);
      return next;
    }
    ++next;
  }
}

std::uint32_t number_from(unix_datagram& receiver) {
  std::uint32_t number = 0;
  const auto got = receiver.receive_from(&number, sizeof number, 10s);
  REQUIRE(got);
  REQUIRE(got->size == sizeof number);
  return number;
}

std::chrono::nanoseconds cpu_time() {
  timespec used{};
  REQUIRE(::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) == 0);
  return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
}

}  // namespace

TEST_CASE("unix datagrams: arrive whole, from whom they came, or cut and told so") {
  on_each_driver([] {
    const directory here;
    unix_datagram server(here.at("server"));
    unix_datagram client(here.at("client"));
    REQUIRE(client.send_to("first", 5, here.at("server")));
    REQUIRE(client.send_to("second", 6, here.at("server")));
    std::array<char, 5> buffer{};
    const auto first = server.receive_from(buffer.data(), buffer.size());
    REQUIRE(first);
    CHECK(std::string_view(buffer.data(), first->size) == "first");
    CHECK_FALSE(first->truncated());
    CHECK(first->from == here.at("client"));
    const auto second = server.receive_from(buffer.data(), buffer.size());
    REQUIRE(second);
    CHECK(second->truncated());
    CHECK(second->length == 6);
    CHECK(std::string_view(buffer.data(), second->size) == "secon");
    REQUIRE(server.send_to("back", 4, second->from));
    CHECK(client.receive(buffer.data(), 4)->size == 4);
    // Who has no name cannot be answered.
    unix_datagram nameless = std::move(unix_datagram::connect(here.at("server")).value());
    REQUIRE(nameless.send("x", 1));
    const auto third = server.receive_from(buffer.data(), 1);
    REQUIRE(third);
    CHECK(third->from == unix_address());
    CHECK(server.send_to("x", 1, third->from).status() == status::failed);
    // The kernel chooses a name for a socket that asks for one.
    unix_datagram some{unix_address()};
    CHECK(some.local()->is_abstract());
    auto [left, right] = std::move(unix_datagram::pair().value());
    REQUIRE(left.send("y", 1));
    CHECK(right.receive(buffer.data(), 1)->length == 1);
  });
}

TEST_CASE("unix datagrams: nothing at a path, a path that was left, and a peer that closed") {
  on_each_driver([] {
    const directory here;
    unix_datagram sender{unix_address()};
    CHECK(sender.send_to("x", 1, here.at("none")).error() == std::errc::no_such_file_or_directory);
    unix_datagram gone(here.at("gone"));
    unix_datagram with_peer = std::move(unix_datagram::connect(here.at("gone")).value());
    REQUIRE(gone.close());
    CHECK(sender.send_to("x", 1, here.at("gone")).error() == std::errc::connection_refused);
    CHECK(unix_datagram::connect(here.at("gone")).error() == std::errc::connection_refused);
    CHECK(with_peer.send("x", 1).error() == std::errc::connection_refused);
    const std::string too_long(16 << 20, 'x');
    unix_datagram receiver{unix_address()};
    CHECK(sender.send_to(too_long.data(), too_long.size(), *receiver.local()).error() ==
          std::errc::message_size);
    CHECK_THROWS_AS(unix_datagram{here.at("gone")}, std::system_error);
  });
}

TEST_CASE(
    "unix datagrams: a full queue holds the sender up until there is room, and nothing is lost") {
  on_each_driver([] {
    unix_datagram receiver{unix_address()};
    const unix_address at = *receiver.local();
    unix_datagram sender{unix_address()};
    const std::uint32_t held = fill(sender, at);
    REQUIRE(held > 0);
    hilo::fiber<void> more = hilo::spawn([&] {
      for (std::uint32_t next = held; next < held + 100; ++next) {
        REQUIRE(sender.send_to(&next, sizeof next, at, 10s));
      }
    });
    for (std::uint32_t expected = 0; expected < held + 100; ++expected) {
      REQUIRE(number_from(receiver) == expected);
    }
    more.join();
    // The same with a peer.
    unix_datagram with_peer = std::move(unix_datagram::connect(at).value());
    (void)fill(sender, at);
    CHECK(with_peer.send("x", 1, 2ms).status() == status::timed_out);
    hilo::fiber<status> waiting = hilo::spawn([&] { return with_peer.send("x", 1, 10s).status(); });
    hilo::yield();
    for (std::uint32_t i = 0; i < held; ++i) (void)number_from(receiver);
    CHECK(waiting.join() == status::ok);
  });
}

TEST_CASE("unix datagrams: a sender's own full buffer holds it up as well") {
  on_each_driver([] {
    unix_datagram receiver{unix_address()};
    const unix_address at = *receiver.local();
    unix_datagram sender{unix_address()};
    REQUIRE(sender.set_send_buffer(16 << 10));
    const std::vector<char> large(8 << 10);
    int sent = 0;
    while (sender.send_to(large.data(), large.size(), at, 20ms)) ++sent;
    REQUIRE(sent > 0);
    unix_datagram other{unix_address()};
    REQUIRE(other.send_to("x", 1, at, 10s));  // it is not the receiver that has no room
    hilo::fiber<status> waiting =
        hilo::spawn([&] { return sender.send_to(large.data(), large.size(), at, 10s).status(); });
    hilo::yield();
    char byte = 0;
    for (int i = 0; i < sent; ++i) CHECK(receiver.receive_from(&byte, 1)->length == large.size());
    CHECK(waiting.join() == status::ok);
  });
}

TEST_CASE("unix datagrams: who waits for room hears of a stop, and of what is closed") {
  on_each_driver([] {
    unix_datagram receiver{unix_address()};
    const unix_address at = *receiver.local();
    unix_datagram sender{unix_address()};
    (void)fill(sender, at);
    const auto sending = [&] { return sender.send_to("x", 1, at, 10s); };
    std::stop_source stop;
    hilo::fiber<status> stopped = hilo::spawn(
        [&] { return hilo::with_stop(stop.get_token(), [&] { return sending().status(); }); });
    hilo::fiber<status> asked = hilo::spawn([&] { return sending().status(); });
    hilo::sleep_for(1ms);  // here and below they mostly wait by then, and else hear of it as well
    stop.request_stop();
    asked.request_stop();
    CHECK(stopped.join() == status::cancelled);
    CHECK(asked.join() == status::cancelled);
    const int number = sender.release();
    hilo::fiber<status> closed = hilo::spawn([&] {
      return hilo::detail::send_datagram(number, "x", 1, at.data(), at.size(), 10s).status();
    });
    hilo::sleep_for(1ms);
    REQUIRE(hilo::io::close(number));
    const status end = closed.join();
    CHECK((end == status::closed || end == status::failed));  // failed: it found the number gone
    sender = unix_datagram(unix_address());
    hilo::fiber<std::error_code> refused = hilo::spawn([&] { return sending().error(); });
    hilo::sleep_for(1ms);
    REQUIRE(receiver.close());
    CHECK(refused.join() == std::errc::connection_refused);
  });
}

TEST_CASE("unix datagrams: who closes waits until nobody sends by the number any more") {
  on_each_driver([] {
    unix_datagram receiver{unix_address()};
    const unix_address at = *receiver.local();
    unix_datagram first{unix_address()};
    (void)fill(first, at);
    for (int round = 0; round < 200; ++round) {
      const int number = unix_datagram{unix_address()}.release();
      hilo::fiber<status> closed = hilo::spawn([&] {
        return hilo::detail::send_datagram(number, "x", 1, at.data(), at.size(), 10s).status();
      });
      for (int i = round % 5; i != 0; --i) hilo::yield();
      REQUIRE(hilo::io::close(number));
      const status end = closed.join();
      CHECK((end == status::closed || end == status::failed));  // failed: it came too late
    }
  });
}

TEST_CASE("unix datagrams: who waits for room does not compute") {
  const auto body = [] {
    unix_datagram receiver{unix_address()};
    const unix_address at = *receiver.local();
    unix_datagram sender{unix_address()};
    (void)fill(sender, at);
    const auto before = cpu_time();
    CHECK(sender.send_to("x", 1, at, 200ms).status() == status::timed_out);
    CHECK(cpu_time() - before < 100ms);  // who tries again and again needs all of the 200
  };
  on_each_driver(body, {1U});
}

TEST_CASE("unix datagrams: kernel threads wait for room too") {
  unix_datagram receiver{unix_address()};
  const unix_address at = *receiver.local();
  unix_datagram sender{unix_address()};
  const std::uint32_t held = fill(sender, at);
  std::thread more([&] { REQUIRE(sender.send_to(&held, sizeof held, at, 10s)); });
  for (std::uint32_t expected = 0; expected <= held; ++expected) {
    CHECK(number_from(receiver) == expected);
  }
  more.join();
}

TEST_CASE("unix datagrams: none is lost, repeated or overtaken though calls are ended at random") {
  const std::uint64_t seed = hilo::test::stress_seed();
  const std::uint32_t wanted =
      static_cast<std::uint32_t>(hilo::test::repetitions(HILO_TSAN ? 200 : 4'000));
  on_each_driver([&] {
    unix_datagram receiver{unix_address()};
    const unix_address at = *receiver.local();
    hilo::fiber<void> sending = hilo::spawn([&] {
      std::mt19937_64 random(seed);
      unix_datagram sender{unix_address()};
      for (std::uint32_t next = 0; next < wanted;) {
        const auto patience = std::chrono::microseconds(random() % 60);
        if (sender.send_to(&next, sizeof next, at, patience)) ++next;
        if (random() % 4 == 0) hilo::sleep_for(patience);
      }
    });
    std::mt19937_64 random(seed + 1);
    for (std::uint32_t expected = 0; expected < wanted;) {
      const auto patience = std::chrono::microseconds(random() % 60);
      std::uint32_t number = 0;
      const auto got = receiver.receive_from(&number, sizeof number, patience);
      if (got) REQUIRE(number == expected++);
      if (random() % 64 == 0) hilo::sleep_for(10 * patience);
    }
    sending.join();
  });
}
