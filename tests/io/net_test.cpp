// hilo/net.hpp, and peers that do not behave: each on both drivers.
#include "hilo/net.hpp"

#include <array>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <system_error>
#include <vector>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "hilo/fiber.hpp"

#include "tests/doctest.hpp"
#include "tests/emulator.hpp"
#include "tests/io/drivers.hpp"

namespace {

using namespace std::chrono_literals;
using hilo::status;
using hilo::net::address;
using hilo::net::tcp_listener;
using hilo::net::tcp_stream;
using hilo::test::on_each_driver;

// Both ends of a connection over the loopback.
struct connection {
  connection() {
    tcp_listener listener(address::loopback(0));
    hilo::fiber<tcp_stream> server =
        hilo::spawn([&] { return std::move(listener.accept().value()); });
    client = std::move(tcp_stream::connect(*listener.local()).value());
    served = server.join();
  }
  tcp_stream client, served;
};

std::string pattern(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 7 + i / 251);
  return text;
}

// How many connections wait to be accepted on the loopback: proc(5), /proc/net/tcp.
std::size_t waiting_at(const address& listener) {
  char local[64];
  std::snprintf(local, sizeof local, ": 0100007F:%04X 00000000:0000 0A ", listener.port());
  std::ifstream all("/proc/net/tcp");
  for (std::string line; std::getline(all, line);) {
    const std::size_t at = line.find(local);
    if (at == line.npos) continue;
    const std::string queues = line.substr(at + std::strlen(local));  // to be sent:received
    return std::stoul(queues.substr(queues.find(':') + 1), nullptr, 16);
  }
  return 0;
}

}  // namespace

TEST_CASE("net: addresses are parsed, compared and printed") {
  CHECK(address::parse("192.0.2.1", 80)->to_string() == "192.0.2.1:80");
  CHECK(address::parse("2001:db8::1", 443)->to_string() == "[2001:db8::1]:443");
  CHECK_FALSE(address::parse("example.org", 80).has_value());
  CHECK_FALSE(address::parse(std::string(200, '1'), 80).has_value());
  CHECK(*address::parse("127.0.0.1", 7) == address::loopback(7));
  CHECK_FALSE(address::loopback(7) == address::loopback(8));
  CHECK_FALSE(address::loopback(7) == *address::parse("::1", 7));
  CHECK(address().to_string() == "no address");
}

TEST_CASE("net: an echo server serves many clients at once") {
  on_each_driver([] {
    tcp_listener listener(address::loopback(0));
    const address at = *listener.local();
    hilo::fiber<void> server = hilo::spawn([&] {
      std::vector<hilo::fiber<void>> all;
      while (auto peer = listener.accept()) {
        all.push_back(hilo::spawn([stream = std::move(*peer)]() mutable {
          std::array<char, 1024> buffer{};
          while (auto got = stream.read(buffer.data(), buffer.size())) {
            if (*got == 0 || !stream.write_all(buffer.data(), *got)) break;
          }
        }));
      }
      for (auto& one : all) one.join();
    });
    std::vector<hilo::fiber<void>> clients;
    for (int i = 0; i < 50; ++i) {
      clients.push_back(hilo::spawn([&, i] {
        tcp_stream stream = std::move(tcp_stream::connect(at).value());
        const std::string sent = pattern(5000) + std::to_string(i);
        hilo::fiber<void> writer = hilo::spawn([&] {
          REQUIRE(stream.write_all(sent.data(), sent.size()));
          REQUIRE(stream.end_writing());
        });
        std::string back(sent.size(), '\0');
        REQUIRE(stream.read_exactly(back.data(), back.size()));
        CHECK(back == sent);
        char more = 0;
        CHECK(*stream.read(&more, 1) == 0);
        writer.join();
      }));
    }
    for (auto& one : clients) one.join();
    REQUIRE(listener.close());  // ends accept with closed
    server.join();
  });
}

TEST_CASE("net: lines are read whole, whatever pieces they come in") {
  on_each_driver([] {
    connection both;
    hilo::fiber<void> peer = hilo::spawn([&] {
      for (const char byte : std::string_view("one\r\n\ntwo\nlast")) {  // one byte at a time
        REQUIRE(both.client.write(&byte, 1));
        hilo::yield();
      }
      REQUIRE(both.client.end_writing());
    });
    hilo::net::line_reader lines(both.served, 16);
    CHECK(*lines.next() == "one");
    CHECK((*lines.next()).empty());
    CHECK(*lines.next() == "two");
    CHECK(lines.next().status() == status::closed);
    CHECK(lines.rest() == "last");
    peer.join();
    connection other;
    REQUIRE(other.client.write_all("0123456789abcdefg\n", 18));
    hilo::net::line_reader short_lines(other.served, 16);
    CHECK(short_lines.next().error().value() == EMSGSIZE);
  });
}

TEST_CASE("net: a peer that resets is an error, and one that half-closes is still served") {
  on_each_driver([] {
    {
      connection both;
      const linger at_once{.l_onoff = 1, .l_linger = 0};
      REQUIRE(::setsockopt(both.client.fd(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
      hilo::fiber<std::error_code> reader = hilo::spawn([&] {
        char byte = 0;
        return both.served.read(&byte, 1).error();
      });
      hilo::yield();
      REQUIRE(both.client.close());
      CHECK(reader.join() == std::errc::connection_reset);
      CHECK(both.served.write("x", 1).status() == status::failed);
    }
    connection both;
    REQUIRE(both.client.write_all("question", 8));
    REQUIRE(both.client.end_writing());
    std::array<char, 9> text{};
    std::size_t done = 0;
    CHECK(both.served.read_exactly(text.data(), 9, {}, &done).status() == status::closed);
    CHECK(done == 8);
    REQUIRE(both.served.write_all("answer", 6));
    REQUIRE(both.client.read_exactly(text.data(), 6));
    CHECK(std::string(text.data(), 6) == "answer");
  });
}

TEST_CASE("net: a peer that never sends or never reads meets the deadline") {
  on_each_driver([] {
    connection both;
    char byte = 0;
    CHECK(both.served.read(&byte, 1, 2ms).status() == status::timed_out);
    // What was written before the deadline arrives, and is as much as was reported.
    const std::string much = pattern(32 << 20);
    std::size_t sent = 0;
    CHECK(both.served.write_all(much.data(), much.size(), 50ms, &sent).status() ==
          status::timed_out);
    CHECK(sent > 0);
    CHECK(sent < much.size());
    REQUIRE(both.served.end_writing());
    std::string got(sent, '\0');
    REQUIRE(both.client.read_exactly(got.data(), sent));
    CHECK(got == much.substr(0, sent));
    CHECK(*both.client.read(&byte, 1) == 0);
  });
}

TEST_CASE("net: a thousand refused connections are a thousand errors") {
  on_each_driver([] {
    address nobody;
    {
      const tcp_listener gone(address::loopback(0));
      nobody = *gone.local();
    }
    std::vector<hilo::fiber<int>> all;
    for (int i = 0; i < 20; ++i) {
      all.push_back(hilo::spawn([&] {
        int refused = 0;
        for (int j = 0; j < 50; ++j) {
          refused += tcp_stream::connect(nobody).error() == std::errc::connection_refused ? 1 : 0;
        }
        return refused;
      }));
    }
    int refused = 0;
    for (auto& one : all) refused += one.join();
    CHECK(refused == 1000);
  });
}

TEST_CASE("net: connections that came together are accepted together") {
  on_each_driver(
      [] {
        constexpr std::size_t count = 100;
        tcp_listener listener(address::loopback(0), {.backlog = count});
        std::vector<tcp_stream> clients;
        for (std::size_t i = 0; i < count; ++i) {
          clients.push_back(std::move(tcp_stream::connect(*listener.local()).value()));
        }
        while (waiting_at(*listener.local()) < count) hilo::sleep_for(1ms);
        std::size_t turns = 0;  // of another fiber
        bool stop = false;
        hilo::fiber<void> other = hilo::spawn([&] {
          while (!stop) {
            ++turns;
            hilo::yield();
          }
        });
        hilo::yield();
        const std::size_t before = turns;
        std::vector<tcp_stream> served;
        for (std::size_t i = 0; i < count; ++i) {
          served.push_back(std::move(listener.accept().value()));
        }
        CHECK(turns - before < count / 10);
        stop = true;
        other.join();
      },
      {1U});
}

TEST_CASE("net: accept without a descriptor left goes on once there is one") {
  const auto body = [] {
    tcp_listener listener(address::loopback(0));
    tcp_stream client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    char byte = 0;
    const address at = *listener.local();
    REQUIRE(hilo::io::connect(client.fd(), at.data(), at.size()));  // waits to be accepted
    std::vector<int> hoard;
    rlimit usual{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &usual) == 0);
    const rlimit few{.rlim_cur = 128, .rlim_max = usual.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &few) == 0);
    while (true) {
      const int fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
      if (fd < 0) break;
      hoard.push_back(fd);
    }
    const status full = listener.accept(20ms).status();
    hilo::fiber<tcp_stream> server =
        hilo::spawn([&] { return std::move(listener.accept(10s).value()); });
    hilo::sleep_for(1ms);
    for (const int fd : hoard) ::close(fd);
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &usual) == 0);
    tcp_stream served = server.join();
    CHECK(full == status::timed_out);
    REQUIRE(client.write("x", 1));
    CHECK(*served.read(&byte, 1) == 1);
  };
  // One carrier, whose port the connect opened: another would need descriptors for its own.
  on_each_driver(body, {1U});
}

TEST_CASE("net: a graceful end loses nothing, though the peer still sends") {
  on_each_driver([] {
    connection both;
    hilo::fiber<std::string> client = hilo::spawn([&] {
      REQUIRE(both.client.write_all("unread", 6));
      std::string got(6, '\0');
      REQUIRE(both.client.read_exactly(got.data(), 6));
      char byte = 0;
      REQUIRE(*both.client.read(&byte, 1) == 0);
      REQUIRE(both.client.close());
      return got;
    });
    REQUIRE(both.served.write_all("answer", 6));
    CHECK(both.served.end_gracefully(10s));
    CHECK_FALSE(bool(both.served));
    CHECK(client.join() == "answer");
  });
}

TEST_CASE("net: options are set, and a taken port says so") {
  hilo::run([] {
    const hilo::net::listen_options shared{.reuse_port = true};
    const tcp_listener first(address::loopback(0), shared);
    const tcp_listener second(*first.local(), shared);
    CHECK(*second.local() == *first.local());
    try {
      const tcp_listener third(*first.local());
      FAIL("two listeners without reuse_port");
    } catch (const std::system_error& error) {
      CHECK(error.code() == std::errc::address_in_use);
      CHECK(std::strstr(error.what(), first.local()->to_string().c_str()) != nullptr);
    }
    connection both;
    CHECK(both.client.set_nodelay(false));
    CHECK(both.client.set_keepalive(60));
    CHECK(both.client.set_keepalive(0));
    CHECK(*both.client.peer() == *both.served.local());
  });
}
