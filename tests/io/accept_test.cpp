// Accepting while listeners are closed, stops are requested and descriptors run out: each
// connection that the kernel accepted is returned to somebody or was never accepted, on both
// drivers.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <random>
#include <stop_token>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "hilo/fiber.hpp"
#include "hilo/io.hpp"
#include "hilo/limit.hpp"
#include "hilo/net.hpp"

#include "runtime/base/sanitizers.hpp"
#include "tests/emulator.hpp"
#include "tests/io/drivers.hpp"
#include "tests/runtimes.hpp"

namespace {

using namespace std::chrono_literals;
using hilo::result;
using hilo::status;
using hilo::net::address;
using hilo::net::tcp_listener;
using hilo::net::tcp_stream;
using hilo::test::on_each_driver;

constexpr auto accept_patience = 100s;  // of what comes

std::ptrdiff_t count_descriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return std::distance(begin(all), end(all));
}

// One accept, under a limit that is drawn.
result<tcp_stream> accept_somehow(tcp_listener& from, std::mt19937_64& random) {
  const auto limit = std::chrono::microseconds(random() % 80);
  switch (random() % 4) {
    case 0:
      return from.accept();
    case 1: {
      std::stop_source stop;
      hilo::fiber<void> stopper = hilo::spawn([&] {
        if (limit > 40us) hilo::sleep_for(limit);
        stop.request_stop();
      });
      auto got = hilo::with_stop(stop.get_token(), [&] { return from.accept(); });
      stopper.join();
      return got;
    }
    case 2:
      return hilo::with_timeout(limit, [&] { return from.accept(); });
    default:
      return from.accept(limit);
  }
}

struct counts {
  std::atomic<int> returned{0};  // connections, by accept
  std::atomic<int> served{0};    // clients that got their byte
  std::atomic<int> limited{0};   // accepts that a limit ended
};

// Gives a visitor a byte for his.
void answer(tcp_stream& peer, counts& count) {
  count.returned.fetch_add(1, std::memory_order_relaxed);
  char byte = 0;
  REQUIRE(*peer.read(&byte, 1, accept_patience) == 1);
  REQUIRE(peer.write_all("x", 1));
}

// Accepts until the listener is closed.
void serve(tcp_listener& from, counts& count, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  while (true) {
    result<tcp_stream> peer = accept_somehow(from, random);
    if (peer) {
      answer(*peer, count);
      continue;
    }
    const status end = peer.status();
    if (end == status::closed || end == status::failed) return;
    REQUIRE((end == status::timed_out || end == status::cancelled));
    count.limited.fetch_add(1, std::memory_order_relaxed);
  }
}

// Connects until it is refused. A connection that somebody accepted and lost would stay open and
// have no answer. Linux does not tell a client whose handshake ends as the listener is closed: he
// hears of it when he sends.
void visit(const address& to, counts& count) {
  while (true) {
    result<tcp_stream> made = tcp_stream::connect(to, accept_patience);
    REQUIRE(made.status() != status::timed_out);
    if (!made) return;
    char byte = '?';
    if (!made->write_all(&byte, 1)) continue;
    const result<std::size_t> got = made->read(&byte, 1, accept_patience);
    REQUIRE(got.status() != status::timed_out);
    if (!got || *got == 0) continue;  // it was in the queue of the listener that was closed
    count.served.fetch_add(1, std::memory_order_relaxed);
  }
}

// Takes all descriptors up to a limit that leaves few, until it is told to let go.
class hoard {
 public:
  hoard() {
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &usual_) == 0);
    const rlimit few{.rlim_cur = 128, .rlim_max = usual_.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &few) == 0);
    for (int fd = 0; (fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0;) held_.push_back(fd);
  }
  ~hoard() {
    for (const int fd : held_) ::close(fd);
    ::setrlimit(RLIMIT_NOFILE, &usual_);
  }
  hoard(const hoard&) = delete;
  hoard& operator=(const hoard&) = delete;

 private:
  rlimit usual_{};
  std::vector<int> held_;
};

}  // namespace

TEST_CASE("accept: listeners are closed under calls that come and go, and no connection is lost") {
  const std::uint64_t seed = hilo::test::stress_seed();
  INFO("HILO_SEED=", seed);
  const int rounds = hilo::test::repetitions(HILO_TSAN ? 8 : 60);
  const std::ptrdiff_t before = count_descriptors();
  counts count;
  on_each_driver([&] {
    std::mt19937_64 random(seed);
    for (int round = 0; round < rounds; ++round) {
      tcp_listener listener(address::loopback(0));
      const address at = *listener.local();
      std::vector<hilo::fiber<void>> all;
      for (int i = 0; i < 3; ++i) {
        all.push_back(hilo::spawn([&, own = random()] { serve(listener, count, own); }));
      }
      for (int i = 0; i < 4; ++i) all.push_back(hilo::spawn([&] { visit(at, count); }));
      const int wanted = count.served.load(std::memory_order_relaxed) + 1 + round % 8;
      while (count.served.load(std::memory_order_relaxed) < wanted) hilo::yield();
      if (round % 2 == 0) hilo::sleep_for(std::chrono::microseconds(random() % 100));
      REQUIRE(listener.close());
      for (auto& one : all) one.join();
    }
  });
  CHECK(count.served.load(std::memory_order_relaxed) ==
        count.returned.load(std::memory_order_relaxed));
  CHECK(count.limited.load(std::memory_order_relaxed) > 0);
  CHECK(count_descriptors() == before);
}

TEST_CASE("accept: the listener is closed as connections come, and each is told how it ended") {
  // All are accepted at once, or as the listener is closed: nobody knows before.
  const int rounds = hilo::test::repetitions(HILO_TSAN ? 10 : 100);
  const std::ptrdiff_t before = count_descriptors();
  counts count;
  on_each_driver([&] {
    for (int round = 0; round < rounds; ++round) {
      tcp_listener listener(address::loopback(0));
      const address at = *listener.local();
      std::vector<hilo::fiber<void>> all;
      for (int i = 0; i < 3; ++i) {
        all.push_back(hilo::spawn([&] {
          while (auto peer = listener.accept()) answer(*peer, count);
        }));
      }
      for (int i = 0; i < 4; ++i) all.push_back(hilo::spawn([&] { visit(at, count); }));
      all.push_back(hilo::spawn([&] { REQUIRE(listener.close()); }));
      for (auto& one : all) one.join();
    }
  });
  CHECK(count.served.load(std::memory_order_relaxed) ==
        count.returned.load(std::memory_order_relaxed));
  CHECK(count_descriptors() == before);
}

TEST_CASE("accept: all who waited while no descriptor was left are served once there are some") {
  constexpr std::size_t visitors = 20;
  const auto body = [] {
    tcp_listener listener(address::loopback(0));
    const address at = *listener.local();
    std::vector<tcp_stream> clients;
    for (std::size_t i = 0; i < visitors; ++i) {
      clients.push_back(std::move(tcp_stream::connect(at).value()));
    }
    hilo::fiber<void> server = hilo::spawn([&] {
      for (std::size_t i = 0; i < visitors; ++i) {
        tcp_stream peer = std::move(listener.accept(accept_patience).value());
        REQUIRE(peer.write_all("x", 1));
      }
    });
    {
      const hoard none_left;
      // The kernel has told the server so.
      CHECK(listener.accept(20ms).status() == status::timed_out);
    }
    server.join();
    for (tcp_stream& one : clients) {
      char byte = 0;
      CHECK(*one.read(&byte, 1) == 1);
    }
  };
  // One carrier, whose port the connects opened: another would need descriptors for its own.
  on_each_driver(body, {1U});
}

TEST_CASE("accept: connections that were reset before they were accepted hold nobody up") {
  on_each_driver([] {
    tcp_listener listener(address::loopback(0));
    const address at = *listener.local();
    for (int i = 0; i < 20; ++i) {
      tcp_stream gone = std::move(tcp_stream::connect(at).value());
      const linger at_once{.l_onoff = 1, .l_linger = 0};
      REQUIRE(::setsockopt(gone.fd(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
      REQUIRE(gone.close());
    }
    tcp_stream client = std::move(tcp_stream::connect(at).value());
    REQUIRE(client.write_all("x", 1));
    while (true) {
      tcp_stream peer = std::move(listener.accept(accept_patience).value());
      char byte = 0;
      const result<std::size_t> got = peer.read(&byte, 1, accept_patience);
      if (got) {
        CHECK(byte == 'x');
        break;
      }
      CHECK(got.error() == std::errc::connection_reset);
    }
  });
}
