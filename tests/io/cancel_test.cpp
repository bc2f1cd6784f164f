// Calls that are ended while they are in flight: nothing is lost, nothing comes twice, and no
// buffer is written to after its call returned.
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <random>
#include <stop_token>
#include <vector>

#include "hilo/fiber.hpp"
#include "hilo/io.hpp"
#include "hilo/limit.hpp"

#include "runtime/base/sanitizers.hpp"
#include "tests/emulator.hpp"
#include "tests/io/drivers.hpp"
#include "tests/runtimes.hpp"

namespace {

using namespace std::chrono_literals;
using hilo::status;
using hilo::test::stream_pair;

// Buffers that were given back are watched for a while: who writes there shows.
class quarantine {
 public:
  void add(std::unique_ptr<std::uint8_t[]> buffer, std::size_t size) {
    std::memset(buffer.get(), mark, size);
    held_.push_back({std::move(buffer), size});
    if (held_.size() > 64) check_oldest();
  }
  ~quarantine() {
    while (!held_.empty()) check_oldest();
  }

 private:
  static constexpr std::uint8_t mark = 0xa5;
  struct entry {
    std::unique_ptr<std::uint8_t[]> bytes;
    std::size_t size;
  };
  void check_oldest() {
    const entry& one = held_.front();
    CHECK(std::all_of(one.bytes.get(), one.bytes.get() + one.size,
                      [](std::uint8_t byte) { return byte == mark; }));
    held_.pop_front();
  }
  std::deque<entry> held_;
};

// The byte at a place of the stream: a run that no loss, repetition or exchange of bytes leaves.
std::uint8_t byte_at(std::uint64_t place) {
  return static_cast<std::uint8_t>((place * 0x9e3779b97f4a7c15ULL) >> 56);
}

// Makes a call under a random limit and counts whether the limit ended it.
template <class F>
auto limited(std::mt19937_64& random, std::atomic<int>& ended, F call) {
  const auto patience = std::chrono::microseconds(random() % 60);
  const auto counted = [&](auto result) {
    const bool by_limit =
        result.status() == status::timed_out || result.status() == status::cancelled;
    if (by_limit) ended.fetch_add(1, std::memory_order_relaxed);
    REQUIRE((result || by_limit));
    return result;
  };
  switch (random() % 4) {
    case 0:
      return counted(call(hilo::io::until()));
    case 1: {
      std::stop_source stop;
      hilo::fiber<void> stopper = hilo::spawn([&] {
        if (patience > 30us) hilo::sleep_for(patience);
        stop.request_stop();
      });
      auto result = hilo::with_stop(stop.get_token(), [&] { return call(hilo::io::until()); });
      stopper.join();
      return counted(result);
    }
    default:
      return counted(call(hilo::io::until(patience)));
  }
}

void stream_through(std::uint64_t seed, std::atomic<int>& ended, int wanted) {
  const stream_pair pair;
  std::atomic<bool> enough{false};
  hilo::fiber<std::uint64_t> writer = hilo::spawn([&] {
    std::mt19937_64 random(seed);
    quarantine returned;
    std::uint64_t sent = 0;
    while (!enough.load(std::memory_order_relaxed)) {
      const std::size_t size = 1 + random() % 64;
      auto data = std::make_unique<std::uint8_t[]>(size);
      for (std::size_t i = 0; i < size; ++i) data[i] = byte_at(sent + i);
      const auto done = limited(random, ended, [&](hilo::io::until when) {
        return hilo::io::send(pair.left(), data.get(), size, 0, when);
      });
      if (done) sent += *done;
      returned.add(std::move(data), size);
      // The reader is to wait mostly.
      if (random() % 2 == 0) hilo::sleep_for(std::chrono::microseconds(random() % 100));
    }
    REQUIRE(hilo::io::shutdown(pair.left(), SHUT_WR));
    return sent;
  });
  std::mt19937_64 random(seed + 1);
  quarantine returned;
  std::uint64_t received = 0;
  while (true) {
    const std::size_t size = 1 + random() % 64;
    auto data = std::make_unique<std::uint8_t[]>(size);
    const auto done = limited(random, ended, [&](hilo::io::until when) {
      return hilo::io::recv(pair.right(), data.get(), size, 0, when);
    });
    if (done) {
      for (std::size_t i = 0; i < *done; ++i) REQUIRE(data[i] == byte_at(received + i));
      received += *done;
    }
    const bool end = done && *done == 0;
    returned.add(std::move(data), size);
    if (end) break;
    if (ended.load(std::memory_order_relaxed) >= wanted) {
      enough.store(true, std::memory_order_relaxed);
    }
  }
  CHECK(received == writer.join());
}

}  // namespace

TEST_CASE("io: 100,000 calls are cancelled and timed out, and the stream stays whole") {
  const std::uint64_t seed = hilo::test::stress_seed();
  // On each of two drivers and two runtimes. The thread sanitizer takes a hundred times as long.
  const int wanted = hilo::test::repetitions(HILO_TSAN ? 250 : 25'000);
  hilo::test::on_each_driver([&] {
    std::atomic<int> ended{0};
    std::vector<hilo::fiber<void>> streams;
    for (std::uint64_t i = 0; i < 16; ++i) {
      streams.push_back(
          hilo::spawn([&ended, wanted, seed, i] { stream_through(seed + 2 * i, ended, wanted); }));
    }
    for (auto& one : streams) one.join();
    CHECK(ended.load(std::memory_order_relaxed) >= wanted);
  });
}

TEST_CASE("io: a descriptor is closed under calls that come and go") {
  hilo::test::on_each_driver([] {
    const int rounds = hilo::test::repetitions(300);
    for (int round = 0; round < rounds; ++round) {
      std::array<int, 2> ends{};
      REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
      std::vector<hilo::fiber<void>> readers;
      for (int i = 0; i < 4; ++i) {
        readers.push_back(hilo::spawn([&] {
          char byte = 0;
          while (true) {
            const status end = hilo::io::recv(ends[0], &byte, 1, 0, 50us).status();
            if (end == status::closed || end == status::failed) return;
          }
        }));
      }
      hilo::sleep_for(std::chrono::microseconds(round % 7 * 30));
      REQUIRE(hilo::io::close(ends[0]));
      for (auto& one : readers) one.join();
      REQUIRE(hilo::io::close(ends[1]));
    }
  });
}
