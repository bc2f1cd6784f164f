// Connecting to one of several addresses, and by name: in fibers on both drivers, and outside.
#include <array>
#include <cerrno>
#include <chrono>
#include <random>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include <fcntl.h>
#include <poll.h>

#include "hilo/fiber.hpp"
#include "hilo/limit.hpp"
#include "hilo/net.hpp"

#include "tests/doctest.hpp"
#include "tests/io/drivers.hpp"
#include "tests/io/names.hpp"
#include "tests/localhost.hpp"
#include "tests/runtimes.hpp"

namespace {

using namespace std::chrono_literals;
using hilo::status;
using hilo::net::address;
using hilo::net::name_error;
using hilo::net::tcp_listener;
using hilo::net::tcp_stream;
using hilo::test::everywhere;
using hilo::test::on_each_driver;
using hilo::test::scripted_name;

// A port of the loopback at which nobody listens, at all of its addresses.
std::uint16_t unused_port() {
  const tcp_listener gone(address::any(0));
  return gone.local()->port();
}

address at(const char* ip, std::uint16_t port) {
  return *address::parse(ip, port);
}

bool refused_over_ipv6() {
  return tcp_stream::connect(at("::1", unused_port())).error() == std::errc::connection_refused;
}

// Neither accepts connections nor refuses them: its queue is full.
class silent_listener {
 public:
  silent_listener() : listener_(address::loopback(0), {.backlog = 0}) {
    while (true) {
      hilo::net::socket one(
          ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP));
      const address to = *listener_.local();
      REQUIRE((::connect(one.fd(), to.data(), to.size()) == 0 || errno == EINPROGRESS));
      pollfd done{.fd = one.fd(), .events = POLLOUT, .revents = 0};
      const bool full = ::poll(&done, 1, 20) == 0;
      queued_.push_back(std::move(one));
      if (full) return;
    }
  }
  address where() const { return *listener_.local(); }

 private:
  tcp_listener listener_;
  std::vector<hilo::net::socket> queued_;
};

// That both are the ends of one connection, as any other.
void check_connected(tcp_stream& client, tcp_listener& listener) {
  REQUIRE(client);
  tcp_stream served = std::move(listener.accept(60s).value());
  CHECK(*client.local() == *served.peer());
  CHECK((::fcntl(client.fd(), F_GETFL) & O_NONBLOCK) == 0);
  REQUIRE(client.write_all("x", 1));
  char byte = 0;
  CHECK(*served.read(&byte, 1) == 1);
}

}  // namespace

TEST_CASE("connect: the first address refuses, and the second answers") {
  everywhere([] {
    tcp_listener listener(address::loopback(0));
    const std::array both{at("127.0.0.1", unused_port()), *listener.local()};
    std::string why = "unchanged";
    tcp_stream client = std::move(tcp_stream::connect(both, 60s, &why).value());
    CHECK(why == "unchanged");
    check_connected(client, listener);
  });
}

TEST_CASE("connect: when all refuse the families took turns, and the message names each") {
  const bool ipv6 = refused_over_ipv6();
  everywhere([ipv6] {
    const std::uint16_t port = unused_port();
    const std::array all{at("127.0.0.1", port), at("127.0.0.2", port), at("::1", port),
                         at("127.0.0.3", port)};
    std::string why;
    const auto end = tcp_stream::connect(all, {}, &why);
    CHECK(end.status() == status::failed);
    CHECK(end.error() == std::errc::connection_refused);
    std::string tail(":");
    tail += std::to_string(port) + " (ECONNREFUSED)";
    if (ipv6) {
      CHECK(why == "hilo: cannot connect: failed; tried 127.0.0.1" + tail + ", [::1]" + tail +
                       ", 127.0.0.2" + tail + ", 127.0.0.3" + tail);
    }
    CHECK(why.find("127.0.0.1") < why.find("[::1]"));
    CHECK(why.find("[::1]") < why.find("127.0.0.2"));
    CHECK(why.find("127.0.0.3" + tail) != why.npos);
  });
}

TEST_CASE("connect: one that does not answer is passed by, and given up once another does") {
  const silent_listener silent;
  everywhere(
      [&] {
        tcp_listener listener(address::loopback(0));
        // The third is tried as soon as the second has refused.
        const std::array all{silent.where(), at("127.0.0.1", unused_port()), *listener.local()};
        tcp_stream client = std::move(tcp_stream::connect(all, 60s).value());
        CHECK(*client.peer() == *listener.local());
        check_connected(client, listener);
      },
      {2U});
}

TEST_CASE("connect: limits end it, and the message says who had not answered") {
  const silent_listener silent;
  everywhere(
      [&] {
        const std::array one{silent.where()};
        const std::array both{silent.where(), silent.where()};
        const std::string tried = one[0].to_string() + " (no answer)";
        std::string why;
        // A thread that does not run for as long as the limit begins fewer attempts.
        const auto check = [&](std::span<const address> all, auto limit, const std::string& said) {
          const std::string expected = "hilo: cannot connect: timed_out; tried " + said;
          for (why.clear(); limit < 20s && why != expected; limit *= 2) {
            CHECK(tcp_stream::connect(all, limit, &why).status() == status::timed_out);
          }
          CHECK(why == expected);
        };
        check(one, 5ms, tried);
        check(both, 300ms, tried + ", " + tried);
        std::stop_source stop;
        stop.request_stop();
        CHECK(hilo::with_stop(stop.get_token(), [&] {
                return tcp_stream::connect(one, {}, &why).status();
              }) == status::cancelled);
        CHECK(why == "hilo: cannot connect: cancelled; tried none");
      },
      {2U});
}

TEST_CASE("connect: without an address, or with one of no family, it fails and says so") {
  everywhere([] {
    std::string why;
    CHECK(tcp_stream::connect(std::vector<address>{}, {}, &why).error() ==
          std::errc::invalid_argument);
    CHECK(why == "hilo: cannot connect: there is no address");
    CHECK(tcp_stream::connect(std::vector<address>(2), {}, &why).status() == status::failed);
    CHECK(why.starts_with("hilo: cannot connect: failed; tried no address (E"));
  });
}

TEST_CASE("connect: a name is looked up, and all that it stands for is tried") {
  const scripted_name several("several.test", {"127.0.0.9", "127.0.0.8", "127.0.0.1"});
  const scripted_name unknown("unknown.test", EAI_NONAME);
  std::vector<const char*> names{"several.test", "127.0.0.1"};
  if (hilo::test::knows_localhost()) names.push_back("localhost");
  everywhere([&names] {
    tcp_listener listener(address::loopback(0));
    const std::uint16_t port = listener.local()->port();
    for (const char* const name : names) {
      tcp_stream client = std::move(tcp_stream::connect(name, port, 60s).value());
      CHECK(*client.peer() == *listener.local());
      check_connected(client, listener);
    }
    std::string why;
    CHECK(tcp_stream::connect("unknown.test", port, {}, &why).error() == name_error::unknown);
    CHECK(why == std::string("hilo: cannot connect to unknown.test: its look-up: ") +
                     ::gai_strerror(EAI_NONAME));
    const std::uint16_t nobody = unused_port();
    CHECK(tcp_stream::connect("several.test", nobody, {}, &why).error() ==
          std::errc::connection_refused);
    CHECK(why.starts_with("hilo: cannot connect to several.test: failed; tried 127.0.0.9:"));
    CHECK(why.find("127.0.0.8:") < why.find("127.0.0.1:"));
    CHECK(why.find("127.0.0.1:") != why.npos);
  });
}

TEST_CASE("connect: the deadline is for the look-up and the attempts together") {
  const silent_listener silent;
  everywhere([&] {
    scripted_name held("held.test", {"127.0.0.1"}, true);
    std::string why;
    CHECK(tcp_stream::connect("held.test", 80, 1ms, &why).status() == status::timed_out);
    CHECK(why == "hilo: cannot connect to held.test: its look-up: timed_out");
    held.until_asked(1);
    const std::uint16_t port = silent.where().port();
    CHECK(tcp_stream::connect("127.0.0.1", port, 5ms, &why).status() == status::timed_out);
    CHECK(why == "hilo: cannot connect to 127.0.0.1: timed_out; tried " +
                     silent.where().to_string() + " (no answer)");
  });
}

TEST_CASE("connect: a fiber that is asked to stop gives all attempts up") {
  const silent_listener silent;
  on_each_driver([&] {
    const std::vector<address> all(4, silent.where());
    std::vector<hilo::fiber<status>> fibers;
    for (int i = 0; i < 10; ++i) {
      fibers.push_back(hilo::spawn([&] { return tcp_stream::connect(all).status(); }));
    }
    hilo::yield();
    for (auto& one : fibers) one.request_stop();
    for (auto& one : fibers) CHECK(one.join() == status::cancelled);
  });
}

TEST_CASE("connect: many at once, stopped at random, leave nothing behind") {
  const silent_listener silent;
  const scripted_name name("several.test", {"127.0.0.1", "127.0.0.2"});
  const std::uint64_t seed = hilo::test::stress_seed();
  CAPTURE(seed);
  on_each_driver([&] {
    tcp_listener listener(address::loopback(0));
    hilo::fiber<void> server = hilo::spawn([&] {
      while (auto peer = listener.accept()) (void)peer->close();
    });
    const std::array through_silence{silent.where(), *listener.local()};
    std::vector<hilo::fiber<void>> all;
    for (unsigned i = 0; i < 30; ++i) {
      all.push_back(hilo::spawn([&, i] {
        std::mt19937_64 random(seed + i);
        for (int j = 0; j < 10; ++j) {
          const auto patience = std::chrono::microseconds(random() % 2000);
          const auto end =
              i % 2 == 0 ? tcp_stream::connect("several.test", listener.local()->port(), patience)
                         : tcp_stream::connect(through_silence, patience);
          CHECK((end || end.status() == status::timed_out));
        }
      }));
    }
    for (auto& one : all) one.join();
    REQUIRE(listener.close());
    server.join();
  });
}
