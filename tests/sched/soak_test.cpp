// Everything at once, for a while: fibers that spawn, join, detach, park, migrate, sleep, stop,
// time out, block and pin themselves, in every priority, on 8 carriers.
//
// What is conserved is identities: each fiber is given a number of its own, each item that goes
// through a channel too, and each is marked exactly once when it comes to its end. A round ends
// with its runtime, which aborts when a fiber is left; what else is left the ledger finds
// (main.cpp).
//
// Some seconds as a test; HILO_SOAK_SECONDS=600 in the environment makes it ten minutes (./dev
// soak). HILO_SEED repeats a run's choices, as far as the order of events allows.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <stdexcept>
#include <thread>
#include <vector>

#include <unistd.h>

#include "hilo/hilo.hpp"

#include "runtime/base/sanitizers.hpp"
#include "tests/doctest.hpp"
#include "tests/runtimes.hpp"

using namespace std::chrono_literals;
using hilo::status;

namespace {

int wanted_seconds() {
  const char* wish = std::getenv("HILO_SOAK_SECONDS");
  return wish == nullptr ? 2 : std::max(1, std::atoi(wish));
}

// Numbers that each must come once.
class roll {
 public:
  explicit roll(std::size_t most) : seen_(most) {}
  // A new number; none must be asked for long after it is full.
  std::size_t next() {
    return std::min(given_.fetch_add(1, std::memory_order_relaxed), seen_.size() - 1);
  }
  bool full() const { return given_.load(std::memory_order_relaxed) + 64 >= seen_.size(); }
  void mark(std::size_t number) { seen_[number].fetch_add(1, std::memory_order_relaxed); }
  // How many were not marked exactly once.
  std::size_t wrong() const {
    const std::size_t given = given_.load(std::memory_order_relaxed);
    std::size_t count = given > seen_.size() ? given - seen_.size() : 0;
    for (std::size_t i = 0; i < std::min(given, seen_.size()); ++i) {
      if (seen_[i].load(std::memory_order_relaxed) != 1) ++count;
    }
    return count;
  }
  std::size_t given() const { return given_.load(std::memory_order_relaxed); }

 private:
  std::vector<std::atomic<std::uint8_t>> seen_;
  std::atomic<std::size_t> given_{0};
};

struct round_state {
  explicit round_state(std::uint64_t its_seed) : seed(its_seed) {}
  const std::uint64_t seed;
  roll fibers{200'000};
  roll items{200'000};
  hilo::channel<std::size_t> queue{16};
  hilo::mutex guard;
  std::size_t guarded = 0;  // by guard
  std::atomic<std::size_t> sections{0};
  hilo::wait_group detached;
  std::atomic<bool> over{false};
};

void live(round_state& all, int depth);

hilo::spawn_options some_options(std::minstd_rand& random) {
  hilo::spawn_options how;
  if (random() % 4 == 0) how.urgency = static_cast<hilo::priority>(random() % 3);
  how.pinned = random() % 16 == 0;
  if (random() % 8 == 0) how.stack_size = 64 * 1024;
  return how;
}

// A fiber that is joined; it may throw its number instead of returning it.
void spawn_and_join(round_state& all, std::minstd_rand& random, int depth) {
  const std::size_t number = all.fibers.next();
  const bool throws = random() % 8 == 0;
  auto child = hilo::spawn(some_options(random), [&all, number, throws, depth] {
    live(all, depth + 1);
    if (throws) throw std::size_t{number};
    return number;
  });
  try {
    all.fibers.mark(child.join());
  } catch (std::size_t thrown) {
    all.fibers.mark(thrown);
  }
}

void spawn_detached(round_state& all, std::minstd_rand& random, int depth) {
  const std::size_t number = all.fibers.next();
  all.detached.add();
  hilo::spawn(some_options(random), [&all, number, depth] {
    live(all, depth + 1);
    all.fibers.mark(number);
    all.detached.done();
  }).detach();
}

// A fiber that would wait for hours, and is asked to stop.
void spawn_and_stop(round_state& all, std::minstd_rand& random) {
  const std::size_t number = all.fibers.next();
  auto child = hilo::spawn(some_options(random), [&all, number] {
    if (hilo::sleep_for(1h) == status::cancelled) all.fibers.mark(number);
  });
  for (auto turns = random() % 3; turns != 0; --turns) hilo::yield();
  child.request_stop();
  child.join();
}

void send(round_state& all) {
  const std::size_t number = all.items.next();
  if (all.queue.send(number) != status::ok) all.items.mark(number);  // a limit around us
}

void live(round_state& all, int depth) {
  std::minstd_rand random(
      static_cast<unsigned>(all.seed ^ (hilo::this_fiber::id().value * 0x9e3779b9U)));
  for (auto steps = random() % 12; steps != 0; --steps) {
    const bool spawns = depth < 6 && !all.fibers.full();
    switch (random() % 14) {
      case 0:
      case 1:
      case 2:
        if (spawns) spawn_and_join(all, random, depth);
        break;
      case 3:
        if (spawns) spawn_detached(all, random, depth);
        break;
      case 4:
        if (spawns) spawn_and_stop(all, random);
        break;
      case 5:
        hilo::sleep_for(std::chrono::microseconds(random() % 2000));
        break;
      case 6:
        hilo::blocking([&] { std::this_thread::sleep_for(random() % 300 * 1us); });
        break;
      case 7:
        if (random() % 32 == 0) ::usleep(static_cast<useconds_t>(random() % 30'000));
        break;
      case 8: {
        const std::scoped_lock lock(all.guard);
        ++all.guarded;
        if (random() % 4 == 0) hilo::yield();
        all.sections.fetch_add(1, std::memory_order_relaxed);
        break;
      }
      case 9:
        if (!all.items.full()) hilo::with_timeout(random() % 500 * 1us, [&] { send(all); });
        break;
      case 10: {
        hilo::this_fiber::pin();
        const pid_t carrier = ::gettid();
        hilo::yield();
        if (::gettid() != carrier) throw std::logic_error("a pinned fiber migrated");
        hilo::this_fiber::unpin();
        break;
      }
      case 11: {
        hilo::timer one(random() % 1000 * 1us);
        if (one.wait() != status::ok) throw std::logic_error("a timer did not fire");
        break;
      }
      case 12:
        if (!all.items.full()) send(all);
        break;
      default:
        hilo::yield();
    }
  }
}

void run_round(std::uint64_t seed) {
  auto all = std::make_unique<round_state>(seed);
  hilo::run(hilo::runtime_options{.carriers = 8, .spare_carriers = 8, .stuck_after = 5ms}, [&] {
    std::vector<hilo::fiber<void>> receivers;
    for (int i = 0; i < 4; ++i) {
      receivers.push_back(hilo::spawn([&] {
        for (const std::size_t item : all->queue) all->items.mark(item);
      }));
    }
    std::vector<hilo::fiber<void>> roots;
    for (int i = 0; i < 16; ++i) {
      roots.push_back(hilo::spawn([&] {
        while (!all->over.load(std::memory_order_relaxed) && !all->fibers.full()) live(*all, 0);
      }));
    }
    hilo::sleep_for(1s);
    all->over.store(true, std::memory_order_relaxed);
    for (auto& one : roots) one.join();
    all->detached.wait();
    all->queue.close();
    for (auto& one : receivers) one.join();
  });
  CHECK(all->fibers.wrong() == 0);
  CHECK(all->items.wrong() == 0);
  CHECK(all->guarded == all->sections.load(std::memory_order_relaxed));
  CHECK(all->fibers.given() > 100);
}

}  // namespace

TEST_CASE("soak: whatever fibers do at once, each comes to its end once and nothing is left") {
  const std::uint64_t seed = hilo::test::stress_seed();
  const int seconds = wanted_seconds();
  std::printf("HILO_SEED=%#llx, %d s ... ", static_cast<unsigned long long>(seed), seconds);
  std::fflush(stdout);
  ::alarm(static_cast<unsigned>(seconds * 3 + 120));  // the limit of one test case is for less
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  std::mt19937_64 seeds(seed);
  while (std::chrono::steady_clock::now() < end) run_round(seeds());
}
