// hilo::net::unix_packets and their listener.
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <stop_token>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "hilo/fiber.hpp"
#include "hilo/net/serve.hpp"
#include "hilo/net/unix.hpp"

#include "tests/doctest.hpp"
#include "tests/io/drivers.hpp"

namespace {

using namespace std::chrono_literals;
using hilo::status;
using hilo::net::unix_address;
using hilo::net::unix_packet_listener;
using hilo::net::unix_packets;
using hilo::test::everywhere;
using hilo::test::on_each_driver;

constexpr auto packet_patience = 100s;  // of what comes

std::string packet_of(unix_packets& from) {
  std::array<char, 64> buffer{};
  const auto got = from.receive(buffer.data(), buffer.size(), packet_patience);
  REQUIRE(got);
  CHECK_FALSE(got->truncated());
  return {buffer.data(), got->size};
}

}  // namespace

TEST_CASE("unix packets: each arrives whole and in order, and the end after them") {
  everywhere([] {
    auto [left, right] = std::move(unix_packets::pair().value());
    CHECK(left.send("one", 3));
    CHECK(left.send("and two", 7));
    CHECK(left.end_writing());
    CHECK(packet_of(right) == "one");
    CHECK(packet_of(right) == "and two");
    char byte = 0;
    CHECK(right.receive(&byte, 1).status() == status::closed);
    CHECK(right.send("back", 4));
    CHECK(packet_of(left) == "back");
  });
}

TEST_CASE("unix packets: what does not fit is lost, and is told") {
  everywhere([] {
    auto [left, right] = std::move(unix_packets::pair().value());
    CHECK(left.send("abcdef", 6));
    CHECK(left.send("next", 4));
    char two[2];
    const auto got = right.receive(two, sizeof two);
    REQUIRE(got);
    CHECK(got->size == 2);
    CHECK(got->length == 6);
    CHECK(got->truncated());
    CHECK(std::string_view(two, 2) == "ab");
    CHECK(packet_of(right) == "next");
  });
}

TEST_CASE("unix packets: an empty packet is refused, and so is one that is too long") {
  everywhere([] {
    auto [left, right] = std::move(unix_packets::pair().value());
    CHECK(left.send("", 0).error().value() == EINVAL);
    const std::string long_one(std::size_t{1} << 20, 'x');
    CHECK(left.send(long_one.data(), long_one.size()).error().value() == EMSGSIZE);
    CHECK(right.close());
    CHECK(left.send("x", 1).error().value() == EPIPE);
  });
}

TEST_CASE("unix packets: a sender waits for room, and a limit ends both waits") {
  on_each_driver([] {
    auto [left, right] = std::move(unix_packets::pair().value());
    char byte = 0;
    CHECK(left.receive(&byte, 1, 2ms).status() == status::timed_out);
    const std::string packet(1000, 'p');
    int sent = 0;
    while (left.send(packet.data(), packet.size(), 5ms)) ++sent;
    CHECK(sent > 0);
    auto sender = hilo::spawn([&left = left, &packet] {
      return left.send(packet.data(), packet.size(), packet_patience);
    });
    std::array<char, 1000> got{};
    for (int i = 0; i <= sent; ++i) {
      const auto one = right.receive(got.data(), got.size(), packet_patience);
      REQUIRE(one);
      CHECK(one->length == packet.size());
    }
    CHECK(sender.join());
  });
}

TEST_CASE("unix packets: a listener accepts, and net::serve serves them") {
  on_each_driver([] {
    unix_packet_listener listener((unix_address()));
    CHECK(listener.try_accept().status() == status::would_block);
    std::stop_source stop;
    const auto answer = [](unix_packets peer) {
      std::array<char, 64> buffer{};
      while (auto got = peer.receive(buffer.data(), buffer.size())) {
        if (!peer.send(buffer.data(), got->size)) break;
      }
    };
    auto server =
        hilo::spawn([&] { return hilo::net::serve(listener, answer, {.stop = stop.get_token()}); });
    auto client = unix_packets::connect(listener.local().value(), packet_patience).value();
    CHECK(client.send("who is there", 12));
    CHECK(packet_of(client) == "who is there");
    CHECK(client.close());
    stop.request_stop();
    CHECK(server.join().status() == status::ok);

    CHECK_FALSE(hilo::net::unix_stream::connect(listener.local().value(), 5s));
    CHECK_THROWS_AS(unix_packet_listener(listener.local().value()), std::system_error);
  });
}
