// Servers as a whole, on both drivers: one that is told to stop while it is busy, and one that has
// nothing to do.
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <mutex>
#include <random>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include <sys/resource.h>
#include <unistd.h>

#include "hilo/fiber.hpp"
#include "hilo/limit.hpp"
#include "hilo/net.hpp"
#include "hilo/signal_set.hpp"

#include "runtime/base/sanitizers.hpp"
#include "tests/emulator.hpp"
#include "tests/io/drivers.hpp"
#include "tests/io/waiting.hpp"
#include "tests/runtimes.hpp"

namespace {

using namespace std::chrono_literals;
using hilo::result;
using hilo::status;
using hilo::net::address;
using hilo::net::tcp_listener;
using hilo::net::tcp_stream;
using hilo::test::on_each_driver;

constexpr auto long_patience = 100s;  // of what comes

// A request is its number. The answer is the number again, and a body that depends on it; the
// number 0 is no answer: it greets who was accepted, and tells later that no more requests are
// welcome.
using request = std::uint64_t;
struct answer {
  explicit answer(request to) : number(to) {
    for (std::size_t i = 0; i < std::size(body); ++i) body[i] = to * 0x9e3779b97f4a7c15ULL + i;
  }
  bool operator==(const answer&) const = default;
  request number;
  std::uint64_t body[127];
};

struct figures {
  std::atomic<std::uint64_t> accepted{0};
  std::atomic<std::uint64_t> greeted{0};
  std::atomic<std::uint64_t> sent{0};  // requests, on connections that were accepted
  std::atomic<std::uint64_t> answered{0};
};

std::uint64_t count(const std::atomic<std::uint64_t>& of) {
  return of.load(std::memory_order_relaxed);
}
void add(std::atomic<std::uint64_t>& to, std::uint64_t more = 1) {
  to.fetch_add(more, std::memory_order_relaxed);
}

void say(tcp_stream& to, request number) {
  const answer it(number);
  REQUIRE(to.write_all(&it, sizeof it, long_patience));
}

// Answers until the client ends. Once a stop is requested it says so, and answers what was sent.
void serve(tcp_stream client, const std::stop_token& stop) {
  say(client, 0);
  request number = 0;
  std::size_t done = 0;
  result<void> got;
  while (true) {
    got = hilo::with_stop(stop,
                          [&] { return client.read_exactly(&number, sizeof number, {}, &done); });
    if (!got) break;
    say(client, number);
  }
  if (got.status() == status::cancelled) {
    say(client, 0);
    // The stop may have come in the midst of a request.
    auto* const rest = reinterpret_cast<char*>(&number) + done;
    got = client.read_exactly(rest, sizeof number - done, long_patience, &done);
    while (got) {
      say(client, number);
      got = client.read_exactly(&number, sizeof number, long_patience, &done);
    }
  }
  REQUIRE(got.status() == status::closed);
  CHECK(done == 0);
}

void serve_until_told(tcp_listener& listener, hilo::io::signal_set& signals, figures& of) {
  std::stop_source stop;
  hilo::fiber<void> stopper = hilo::spawn([&] {
    CHECK(signals.receive(long_patience)->number == SIGTERM);
    stop.request_stop();
    REQUIRE(listener.close());
  });
  std::vector<hilo::fiber<void>> clients;
  while (auto peer = listener.accept()) {
    add(of.accepted);
    clients.push_back(hilo::spawn([stream = std::move(*peer), token = stop.get_token()]() mutable {
      serve(std::move(stream), token);
    }));
  }
  for (auto& one : clients) one.join();
  stopper.join();
}

// Sends a few requests, some at once, and reads the answers meanwhile.
void use(tcp_stream& server, std::mt19937_64& random, figures& of) {
  std::atomic<bool> unwelcome{false};
  hilo::fiber<std::uint64_t> reader = hilo::spawn([&] {
    answer got(0);
    request last = 0;
    bool greeted = false;
    result<void> end;
    while ((end = server.read_exactly(&got, sizeof got, long_patience))) {
      if (got.number == 0) {
        if (!greeted) add(of.greeted);
        unwelcome.store(std::exchange(greeted, true), std::memory_order_relaxed);
        continue;
      }
      CHECK(got.number == ++last);
      CHECK(got == answer(last));
      add(of.answered);
    }
    REQUIRE(end.status() != status::timed_out);
    return greeted ? last : request(-1);
  });
  const std::uint64_t most = 1 + random() % 16;
  request next = 1;
  bool well = true;
  while (well && next <= most && !unwelcome.load(std::memory_order_relaxed)) {
    request some[4];
    std::size_t size = 0;
    for (std::uint64_t i = random() % 4; size <= i; ++size) some[size] = next + size;
    well = bool(server.write_all(some, size * sizeof(request), long_patience));
    if (well) next += size;
    if (random() % 4 == 0) hilo::yield();
  }
  if (well) (void)server.end_writing();
  const request answered = reader.join();
  if (answered == request(-1)) return;  // it was in the queue of the listener that was closed
  CHECK(well);
  CHECK(answered == next - 1);
  add(of.sent, next - 1);
}

// Descriptors for as many connections, both ends.
class many_descriptors {
 public:
  explicit many_descriptors(std::size_t wanted) {
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &usual_) == 0);
    const rlimit more{.rlim_cur = wanted, .rlim_max = usual_.rlim_max};
    if (usual_.rlim_cur >= wanted) return;
    there_ = wanted <= usual_.rlim_max && ::setrlimit(RLIMIT_NOFILE, &more) == 0;
  }
  ~many_descriptors() { ::setrlimit(RLIMIT_NOFILE, &usual_); }
  many_descriptors(const many_descriptors&) = delete;
  many_descriptors& operator=(const many_descriptors&) = delete;
  bool there() const { return there_; }

 private:
  rlimit usual_{};
  bool there_ = true;
};

std::chrono::nanoseconds used_by_process() {
  timespec used{};
  REQUIRE(::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) == 0);
  return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
}

}  // namespace

TEST_CASE("serving: SIGTERM under load drops no request on a connection that was accepted") {
  HILO_NEEDS(signal_masks);
  const std::uint64_t seed = hilo::test::stress_seed();
  INFO("HILO_SEED=", seed);
  hilo::io::signal_set signals({SIGTERM});
  const int rounds = hilo::test::repetitions(HILO_TSAN ? 1 : 5);
  on_each_driver([&] {
    for (int round = 0; round < rounds; ++round) {
      figures of;
      tcp_listener listener(address::loopback(0));
      const address at = *listener.local();
      hilo::fiber<void> server = hilo::spawn([&] { serve_until_told(listener, signals, of); });
      std::vector<hilo::fiber<void>> clients;
      for (std::uint64_t i = 0; i < 16; ++i) {
        clients.push_back(hilo::spawn([&, i] {
          std::mt19937_64 random(seed + 100 * static_cast<std::uint64_t>(round) + i);
          while (auto stream = tcp_stream::connect(at)) use(*stream, random, of);
        }));
      }
      while (count(of.answered) < 300) hilo::yield();
      REQUIRE(::kill(::getpid(), SIGTERM) == 0);
      server.join();
      for (auto& one : clients) one.join();
      CHECK(count(of.accepted) == count(of.greeted));
      CHECK(count(of.sent) == count(of.answered));
    }
  });
}

TEST_CASE("serving: a thousand connections on which nothing happens use no CPU") {
  const std::size_t connections = HILO_TSAN ? 200 : 1000;
  const many_descriptors limit(2 * connections + 200);
  if (!limit.there()) HILO_SKIP("needs 2,200 descriptors: see ulimit -Hn");
  on_each_driver(
      [&] {
        tcp_listener listener(address::loopback(0));
        hilo::fiber<void> server = hilo::spawn([&] {
          std::vector<hilo::fiber<void>> served;
          while (auto peer = listener.accept()) {
            served.push_back(hilo::spawn([stream = std::move(*peer)]() mutable {
              char byte = 0;
              while (auto got = stream.read(&byte, 1)) {
                if (*got == 0 || !stream.write_all(&byte, 1)) break;
              }
            }));
          }
          for (auto& one : served) one.join();
        });
        std::vector<tcp_stream> clients;
        const auto echo = [](tcp_stream& by) {
          char byte = 'e';
          REQUIRE(by.write_all(&byte, 1));
          REQUIRE(*by.read(&byte, 1, long_patience) == 1);
          CHECK(byte == 'e');
        };
        for (std::size_t i = 0; i < connections; ++i) {
          clients.push_back(std::move(tcp_stream::connect(*listener.local()).value()));
          echo(clients.back());
        }
        hilo::test::until_waited_for(listener.fd());
        const std::chrono::nanoseconds before = used_by_process();
        hilo::sleep_for(500ms);
        // A single carrier that looked again and again would use ten times as much.
        CHECK(used_by_process() - before < 50ms);
        for (tcp_stream& one : clients) echo(one);
        REQUIRE(listener.close());
        clients.clear();
        server.join();
      },
      {4U});
}
