// Peers of a TCP connection that do not behave, on both drivers: they reset, half-close, send or
// take a byte at a time, never send, never read.
#include <chrono>
#include <cstddef>
#include <functional>
#include <random>
#include <stop_token>
#include <string>
#include <system_error>
#include <utility>

#include <poll.h>
#include <sys/socket.h>

#include "hilo/fiber.hpp"
#include "hilo/limit.hpp"
#include "hilo/net.hpp"

#include "tests/io/drivers.hpp"

namespace {

using namespace std::chrono_literals;
using hilo::result;
using hilo::status;
using hilo::net::address;
using hilo::net::tcp_listener;
using hilo::net::tcp_stream;
using hilo::test::on_each_driver;

// Both ends of a connection, between which there is room for much less than is sent. Our buffer is
// small; the peer's is not, or TCP would wait for its timers.
struct narrow_connection {
  narrow_connection() {
    tcp_listener listener(address::loopback(0));
    peer = std::move(tcp_stream::connect(*listener.local()).value());
    ours = std::move(listener.accept().value());
    REQUIRE(ours.set_send_buffer(4096));
    REQUIRE(peer.set_receive_buffer(1 << 17));
  }
  tcp_stream ours, peer;
};

// No shift of it is like it.
std::string random_pattern(std::size_t size) {
  std::mt19937 random(7);
  std::string text(size, '\0');
  for (char& one : text) one = static_cast<char>(random());
  return text;
}

std::string read_to_end(tcp_stream& from) {
  std::string text;
  std::string part(5000, '\0');
  while (true) {
    const std::size_t got = from.read(part.data(), part.size()).value();
    if (got == 0) return text;
    text.append(part, 0, got);
  }
}

void reset(tcp_stream& which) {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  REQUIRE(::setsockopt(which.fd(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
  REQUIRE(which.close());
}

// Returns once our side can send no more, as the peer does not read.
void until_full(const tcp_stream& ours) {
  pollfd room{.fd = ours.fd(), .events = POLLOUT, .revents = 0};
  while (::poll(&room, 1, 0) != 0) hilo::yield();
}

const std::size_t much = 2 << 20;

}  // namespace

TEST_CASE("peers: one that resets ends who reads and who writes, at once") {
  on_each_driver([] {
    narrow_connection both;
    const std::string text = random_pattern(much);
    std::size_t sent = 0;
    hilo::fiber<result<void>> writer =
        hilo::spawn([&] { return both.ours.write_all(text.data(), text.size(), {}, &sent); });
    hilo::fiber<result<std::size_t>> reader = hilo::spawn([&] {
      char byte = 0;
      return both.ours.read(&byte, 1);
    });
    // The peer has some of it, and does not read.
    REQUIRE(hilo::io::poll(both.peer.fd(), POLLIN));
    reset(both.peer);
    const result<void> written = writer.join();
    const result<std::size_t> read = reader.join();
    // The first to hear of it gets the reason, the others that it has ended.
    REQUIRE(written.status() == status::failed);
    CHECK((written.error() == std::errc::connection_reset ||
           written.error() == std::errc::broken_pipe));
    CHECK((read.status() == status::failed || *read == 0));
    CHECK((written.error() == std::errc::connection_reset ||
           read.error() == std::errc::connection_reset));
    CHECK(sent < text.size());
  });
}

TEST_CASE("peers: one that half-closes gets all that is sent to it") {
  on_each_driver([] {
    narrow_connection both;
    const std::string text = random_pattern(much / 8);
    hilo::fiber<void> server = hilo::spawn([&] {
      CHECK(read_to_end(both.ours) == "question");
      REQUIRE(both.ours.write_all(text.data(), text.size()));
      REQUIRE(both.ours.end_writing());
    });
    REQUIRE(both.peer.write_all("question", 8));
    REQUIRE(both.peer.end_writing());
    CHECK(read_to_end(both.peer) == text);
    server.join();
  });
}

TEST_CASE("peers: one that half-closes under a write goes on reading") {
  on_each_driver([] {
    narrow_connection both;
    const std::string text = random_pattern(much / 8);
    hilo::fiber<void> writer = hilo::spawn([&] {
      REQUIRE(both.ours.write_all(text.data(), text.size()));
      REQUIRE(both.ours.end_writing());
    });
    hilo::fiber<std::string> reader = hilo::spawn([&] { return read_to_end(both.ours); });
    REQUIRE(hilo::io::poll(both.peer.fd(), POLLIN));
    REQUIRE(both.peer.end_writing());
    CHECK(reader.join().empty());
    CHECK(read_to_end(both.peer) == text);
    writer.join();
  });
}

TEST_CASE("peers: one that sends and takes a byte at a time gets an answer like any other") {
  on_each_driver([] {
    narrow_connection both;
    const std::string text = random_pattern(600);
    hilo::fiber<void> echo = hilo::spawn([&] {
      std::string got(text.size(), '\0');
      REQUIRE(both.ours.read_exactly(got.data(), got.size()));
      CHECK(got == text);
      REQUIRE(both.ours.write_all(got.data(), got.size()));
      REQUIRE(both.ours.end_writing());
    });
    for (const char byte : text) {
      REQUIRE(*both.peer.write(&byte, 1) == 1);
      hilo::yield();
    }
    std::string back;
    char byte = 0;
    while (*both.peer.read(&byte, 1) == 1) back.push_back(byte);
    CHECK(back == text);
    echo.join();
  });
}

TEST_CASE("peers: who waits for one that never sends is ended by each kind of limit") {
  on_each_driver([] {
    narrow_connection both;
    char byte = 0;
    std::size_t done = 7;
    CHECK(both.ours.read_exactly(&byte, 1, 1ms, &done).status() == status::timed_out);
    CHECK(done == 0);
    CHECK(hilo::with_timeout(1ms, [&] { return both.ours.read(&byte, 1); }).status() ==
          status::timed_out);
    hilo::fiber<status> reader = hilo::spawn([&] {
      char its = 0;
      return both.ours.read(&its, 1).status();
    });
    hilo::yield();
    reader.request_stop();
    CHECK(reader.join() == status::cancelled);
    // And the connection is as it was.
    REQUIRE(both.peer.write_all("x", 1));
    CHECK(*both.ours.read(&byte, 1) == 1);
    CHECK(byte == 'x');
  });
}

TEST_CASE("peers: who writes to one that never reads is ended by each kind of limit") {
  using attempt = std::function<status(tcp_stream&, const std::string&, std::size_t&)>;
  const attempt ways[] = {
      [](tcp_stream& to, const std::string& text, std::size_t& sent) {
        return to.write_all(text.data(), text.size(), 5ms, &sent).status();
      },
      [](tcp_stream& to, const std::string& text, std::size_t& sent) {
        return hilo::with_timeout(
            5ms, [&] { return to.write_all(text.data(), text.size(), {}, &sent).status(); });
      },
      [](tcp_stream& to, const std::string& text, std::size_t& sent) {
        hilo::fiber<status> writer =
            hilo::spawn([&] { return to.write_all(text.data(), text.size(), {}, &sent).status(); });
        until_full(to);
        writer.request_stop();
        return writer.join();
      },
      [](tcp_stream& to, const std::string& text, std::size_t& sent) {
        std::stop_source stop;
        hilo::fiber<status> writer = hilo::spawn([&] {
          return hilo::with_stop(stop.get_token(), [&] {
            return to.write_all(text.data(), text.size(), {}, &sent).status();
          });
        });
        until_full(to);
        stop.request_stop();
        return writer.join();
      },
  };
  on_each_driver([&] {
    const std::string text = random_pattern(much);
    for (std::size_t i = 0; i < std::size(ways); ++i) {
      narrow_connection both;
      std::size_t sent = 0;
      CHECK(ways[i](both.ours, text, sent) == (i < 2 ? status::timed_out : status::cancelled));
      REQUIRE(both.ours.end_writing());
      // What it says was sent is what arrives.
      CHECK(sent > 0);
      CHECK(sent < text.size());
      CHECK(read_to_end(both.peer) == text.substr(0, sent));
    }
  });
}

TEST_CASE("peers: closing ends a write to one that never reads") {
  on_each_driver([] {
    narrow_connection both;
    const std::string text = random_pattern(much);
    hilo::fiber<status> writer = hilo::spawn([&] {
      std::size_t sent = 0;
      return both.ours.write_all(text.data(), text.size(), {}, &sent).status();
    });
    until_full(both.ours);
    REQUIRE(both.ours.close());
    const status end = writer.join();
    CHECK((end == status::closed || end == status::failed));
    const std::string arrived = read_to_end(both.peer);
    CHECK(arrived == text.substr(0, arrived.size()));
  });
}

TEST_CASE("peers: much is written through small buffers, in parts, and arrives whole") {
  on_each_driver([] {
    narrow_connection both;
    const std::string text = random_pattern(much / 8);
    const std::size_t first = both.ours.write(text.data(), text.size()).value();
    CHECK(first > 0);
    CHECK(first < text.size());  // it is short
    hilo::fiber<void> writer = hilo::spawn([&] {
      std::size_t done = 0;
      REQUIRE(both.ours.write_all(text.data() + first, text.size() - first, {}, &done));
      CHECK(done == text.size() - first);
      REQUIRE(both.ours.end_writing());
    });
    CHECK(read_to_end(both.peer) == text);
    writer.join();
  });
}
