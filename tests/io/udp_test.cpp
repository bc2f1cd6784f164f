// hilo::net::udp_socket, on both drivers.
#include "hilo/net/udp.hpp"

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <stop_token>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "hilo/fiber.hpp"
#include "hilo/limit.hpp"

#include "tests/doctest.hpp"
#include "tests/io/drivers.hpp"
#include "tests/skip.hpp"

namespace {

using namespace std::chrono_literals;
using hilo::status;
using hilo::net::address;
using hilo::net::udp_socket;
using hilo::test::on_each_driver;

// An address of the loopback at which nobody receives.
address nobody() {
  const udp_socket gone(address::loopback(0));
  return *gone.local();
}

int option_of(const hilo::net::socket& one, int level, int name) {
  int value = -1;
  socklen_t size = sizeof value;
  REQUIRE(::getsockopt(one.fd(), level, name, &value, &size) == 0);
  return value;
}

// All addresses of this machine, in the family of a group.
address all_addresses(std::string_view group, std::uint16_t port) {
  return *address::parse(group.find(':') == group.npos ? "0.0.0.0" : "::", port);
}

// Whether the loopback has groups of that family.
bool can_join(const char* group) {
  try {
    const unsigned loopback = ::if_nametoindex("lo");
    const address to = *address::parse(group, 1);
    udp_socket one(all_addresses(group, 0));
    return one.join(to, loopback) && one.set_group_interface(loopback) && one.send_to("", 0, to);
  } catch (const std::system_error&) {
    return false;
  }
}

std::string text_of(udp_socket& from) {
  std::array<char, 64> buffer{};
  const auto got = from.receive_from(buffer.data(), buffer.size(), 10s);
  REQUIRE(got);
  return {buffer.data(), got->size};
}

}  // namespace

TEST_CASE("udp: datagrams go to whom they are sent, and say who sent them") {
  on_each_driver([] {
    udp_socket server(address::loopback(0));
    const address at = *server.local();
    hilo::fiber<void> echo = hilo::spawn([&] {
      std::array<std::uint32_t, 4> buffer{};
      while (auto got = server.receive_from(buffer.data(), sizeof buffer)) {
        CHECK_FALSE(got->truncated());
        REQUIRE(server.send_to(buffer.data(), got->size, got->from));
      }
    });
    std::vector<hilo::fiber<void>> clients;
    for (std::uint32_t i = 0; i < 20; ++i) {
      clients.push_back(hilo::spawn([&, i] {
        const bool has_peer = i % 2 == 0;
        udp_socket client = has_peer ? std::move(udp_socket::connect(at).value())
                                     : udp_socket(address::loopback(0));
        for (std::uint32_t round = 0; round < 50; ++round) {
          const std::uint32_t sent = i << 16 | round;
          std::uint32_t back = 0;
          if (has_peer) {
            REQUIRE(client.send(&sent, sizeof sent));
            const auto got = client.receive(&back, sizeof back);
            REQUIRE(got);
            REQUIRE(got->size == sizeof back);
          } else {
            REQUIRE(client.send_to(&sent, sizeof sent, at));
            const auto got = client.receive_from(&back, sizeof back);
            REQUIRE(got);
            REQUIRE(got->from == at);
          }
          REQUIRE(back == sent);
        }
      }));
    }
    for (auto& one : clients) one.join();
    echo.request_stop();  // ends receive_from with cancelled
    echo.join();
  });
}

TEST_CASE("udp: a datagram longer than the buffer is cut, and says how long it was") {
  on_each_driver([] {
    udp_socket receiver(address::loopback(0));
    udp_socket sender = std::move(udp_socket::connect(*receiver.local()).value());
    const std::string text(1000, 'x');
    std::array<char, 8> buffer{};
    for (const std::size_t room : {8U, 0U}) {
      REQUIRE(sender.send(text.data(), text.size()));
      const auto cut = receiver.receive_from(buffer.data(), room);
      REQUIRE(cut);
      CHECK(cut->truncated());
      CHECK(cut->size == room);
      CHECK(cut->length == text.size());
      CHECK(cut->from == *sender.local());
    }
    // The rest is gone, and what comes after it is whole: also a datagram without a byte.
    REQUIRE(sender.send("12345678", 8));
    REQUIRE(sender.send(nullptr, 0));
    CHECK(text_of(receiver) == "12345678");
    const auto empty = receiver.receive_from(buffer.data(), buffer.size());
    REQUIRE(empty);
    CHECK(empty->length == 0);
    CHECK_FALSE(empty->truncated());
    // With a peer as well.
    REQUIRE(receiver.send_to(text.data(), text.size(), *sender.local()));
    const auto answer = sender.receive(buffer.data(), buffer.size());
    REQUIRE(answer);
    CHECK(answer->truncated());
    CHECK(answer->length == text.size());
  });
}

TEST_CASE("udp: that nobody receives is told to a socket with a peer, once a datagram") {
  on_each_driver([] {
    const address absent = nobody();
    udp_socket sender = std::move(udp_socket::connect(absent).value());
    char byte = 0;
    hilo::fiber<std::error_code> waiting =
        hilo::spawn([&] { return sender.receive(&byte, 1, 10s).error(); });
    hilo::yield();
    REQUIRE(sender.send("x", 1));
    CHECK(waiting.join() == std::errc::connection_refused);
    CHECK(sender.receive(&byte, 1, 1ms).status() == status::timed_out);
    // It says nothing of the next one.
    udp_socket late(absent);
    REQUIRE(sender.send("late", 4));
    CHECK(text_of(late) == "late");
    udp_socket without(address::loopback(0));
    REQUIRE(without.send_to("x", 1, nobody()));
    CHECK(without.receive_from(&byte, 1, 1ms).status() == status::timed_out);
  });
}

TEST_CASE("udp: a wait ends at its deadline, and when a stop is requested") {
  on_each_driver([] {
    udp_socket receiver(address::loopback(0));
    udp_socket sender(address::loopback(0));
    const address at = *receiver.local();
    char byte = 0;
    CHECK(receiver.receive_from(&byte, 1, 1ms).status() == status::timed_out);
    CHECK(receiver.receive(&byte, 1, 0ms).status() == status::timed_out);
    CHECK(sender.send_to("x", 1, at, 0ms).status() == status::timed_out);  // and is not sent
    std::stop_source stop;
    hilo::fiber<status> stopped = hilo::spawn([&] {
      return hilo::with_stop(stop.get_token(),
                             [&] { return receiver.receive_from(&byte, 1).status(); });
    });
    hilo::fiber<status> asked =
        hilo::spawn([&] { return receiver.receive_from(&byte, 1).status(); });
    hilo::yield();
    stop.request_stop();
    asked.request_stop();
    CHECK(stopped.join() == status::cancelled);
    CHECK(asked.join() == status::cancelled);
    // What comes later is lost on none of them.
    REQUIRE(sender.send_to("y", 1, at));
    CHECK(text_of(receiver) == "y");
  });
}

TEST_CASE("udp: closing wakes who waits, and who gets the number next hears of itself alone") {
  // On one carrier, whose driver has begun, the fiber waits after the yield.
  on_each_driver(
      [] {
        udp_socket sender(address::loopback(0));
        char none = 0;
        CHECK(sender.receive_from(&none, 1, 1ms).status() == status::timed_out);
        for (int round = 0; round < 20; ++round) {
          udp_socket old(address::loopback(0));
          const address before = *old.local();
          const int number = old.fd();
          hilo::fiber<status> waiting = hilo::spawn([&] {
            char byte = 0;
            return old.receive_from(&byte, 1, 10s).status();
          });
          hilo::yield();
          REQUIRE(old.close());
          udp_socket young =
              hilo::test::made_at(number, [] { return udp_socket(address::loopback(0)); });
          hilo::fiber<std::string> reader = hilo::spawn([&] { return text_of(young); });
          REQUIRE(sender.send_to("old", 3, before));
          hilo::yield();
          REQUIRE(sender.send_to("young", 5, *young.local()));
          CHECK(waiting.join() == status::closed);
          CHECK(reader.join() == "young");
        }
      },
      {1U});
}

TEST_CASE("udp: a socket with a peer hears of no other, and may change it") {
  on_each_driver([] {
    udp_socket first(address::loopback(0));
    udp_socket second(address::loopback(0));
    udp_socket one(address::loopback(0));
    const address at = *one.local();
    REQUIRE(one.set_peer(*first.local()));
    CHECK(*one.peer() == *first.local());
    REQUIRE(second.send_to("stranger", 8, at));
    REQUIRE(first.send_to("peer", 4, at));
    CHECK(text_of(one) == "peer");
    REQUIRE(one.set_peer(*second.local()));
    REQUIRE(one.send("hello", 5));
    CHECK(text_of(second) == "hello");
    CHECK(first.peer().error() == std::errc::not_connected);
    CHECK(first.send("x", 1).error() == std::errc::destination_address_required);
  });
}

TEST_CASE("udp: options are set, and a taken port says so") {
  on_each_driver([] {
    const hilo::net::udp_options shared{.reuse_port = true};
    const udp_socket first(address::loopback(0), shared);
    udp_socket second(*first.local(), shared);
    CHECK(*second.local() == *first.local());
    try {
      const udp_socket third(*first.local());
      FAIL("two sockets without reuse_port");
    } catch (const std::system_error& error) {
      CHECK(error.code() == std::errc::address_in_use);
      CHECK(std::strstr(error.what(), first.local()->to_string().c_str()) != nullptr);
    }
    CHECK_THROWS_AS(udp_socket{address()}, std::system_error);
    CHECK(udp_socket::connect(address()).status() == status::failed);
    REQUIRE(second.set_ttl(7));
    CHECK(option_of(second, IPPROTO_IP, IP_TTL) == 7);
    for (const int bad : {-1, 0, 256}) {
      CHECK(second.set_ttl(bad).error() == std::errc::invalid_argument);
    }
    REQUIRE(second.set_send_buffer(32 << 10));
    CHECK(option_of(second, SOL_SOCKET, SO_SNDBUF) == 64 << 10);
    REQUIRE(second.set_receive_buffer(16 << 10));
    CHECK(option_of(second, SOL_SOCKET, SO_RCVBUF) == 32 << 10);
    const std::string too_long(70'000, 'x');
    CHECK(second.send_to(too_long.data(), too_long.size(), *first.local()).error() ==
          std::errc::message_size);
  });
}

TEST_CASE("udp: only who asked for it may broadcast") {
  on_each_driver([] {
    udp_socket receiver(address::any(0));
    udp_socket sender(address::any(0));
    const address all = *address::parse("127.255.255.255", receiver.local()->port());
    CHECK(sender.send_to("x", 1, all).error() == std::errc::permission_denied);
    REQUIRE(sender.set_broadcast(true));
    REQUIRE(sender.send_to("all", 3, all));
    CHECK(text_of(receiver) == "all");
  });
}

TEST_CASE("udp: IPv6 as IPv4") {
  const int probe = ::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const address at = *address::parse("::1", 0);
  const bool there = probe >= 0 && ::bind(probe, at.data(), at.size()) == 0;
  if (probe >= 0) ::close(probe);
  if (!there) HILO_SKIP("this machine has no IPv6 loopback");
  on_each_driver([&] {
    udp_socket receiver(at);
    udp_socket sender(at);
    REQUIRE(sender.set_ttl(9));
    CHECK(option_of(sender, IPPROTO_IPV6, IPV6_UNICAST_HOPS) == 9);
    REQUIRE(sender.send_to("six", 3, *receiver.local()));
    std::array<char, 8> buffer{};
    const auto got = receiver.receive_from(buffer.data(), buffer.size());
    REQUIRE(got);
    CHECK(got->from == *sender.local());
    CHECK(std::string_view(buffer.data(), got->size) == "six");
    CHECK(sender.send_to("x", 1, address::loopback(1)).status() == status::failed);
  });
}

TEST_CASE("udp: kernel threads make the same calls, with the same limits") {
  udp_socket receiver(address::loopback(0));
  char byte = 0;
  CHECK(receiver.receive_from(&byte, 1, 1ms).status() == status::timed_out);
  std::thread peer([&] {
    udp_socket sender = std::move(udp_socket::connect(*receiver.local()).value());
    REQUIRE(sender.send("z", 1));
  });
  CHECK(text_of(receiver) == "z");
  peer.join();
}

TEST_CASE("udp: each member of a group gets what is sent to it, until it leaves") {
  std::vector<const char*> groups;
  for (const char* name : {"239.255.77.7", "ff12::7707"}) {
    if (can_join(name)) groups.push_back(name);
  }
  if (groups.empty()) HILO_SKIP("the loopback has no groups here");
  for (const char* const name : groups) {
    CAPTURE(name);
    on_each_driver([name] {
      const unsigned loopback = ::if_nametoindex("lo");
      // The first member's port is everybody's.
      const address here = all_addresses(name, 0);
      udp_socket first(here, {.reuse_address = true});
      const std::uint16_t port = first.local()->port();
      udp_socket second(all_addresses(name, port), {.reuse_address = true});
      const address group = *address::parse(name, port);
      REQUIRE(first.join(group, loopback));
      REQUIRE(second.join(group, loopback));
      CHECK(first.join(group, loopback).error().value() == EADDRINUSE);

      udp_socket sender(here);
      REQUIRE(sender.set_group_interface(loopback));
      REQUIRE(sender.set_group_ttl(0));
      REQUIRE(sender.set_group_loop(true));
      REQUIRE(sender.send_to("both", 4, group));
      CHECK(text_of(first) == "both");
      CHECK(text_of(second) == "both");

      REQUIRE(second.leave(group, loopback));
      CHECK(second.leave(group, loopback).error().value() == EADDRNOTAVAIL);
      REQUIRE(sender.send_to("one", 3, group));
      CHECK(text_of(first) == "one");
      char byte = 0;
      CHECK(second.receive(&byte, 1, 2ms).status() == status::timed_out);
    });
  }
}

TEST_CASE("udp: what is no group is not joined, and options for groups are checked") {
  udp_socket one(address::loopback(0));
  CHECK(one.join(address::loopback(1)).error().value() == EINVAL);
  CHECK(one.leave(address::loopback(1)).status() == status::failed);
  CHECK(one.set_group_ttl(-1).error().value() == EINVAL);
  CHECK(one.set_group_ttl(256).error().value() == EINVAL);
  CHECK(one.set_group_interface(1'000'000'000).status() == status::failed);
  REQUIRE(one.set_group_ttl(255));
  CHECK(option_of(one, IPPROTO_IP, IP_MULTICAST_TTL) == 255);
  udp_socket closed = std::move(one);
  REQUIRE(closed.close());
  CHECK(closed.set_group_loop(true).error().value() == EBADF);
  CHECK(closed.set_group_interface(0).error().value() == EBADF);
  CHECK(closed.join(address::loopback(1)).error().value() == EBADF);
}
