#include "hilo/metrics.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <map>
#include <sstream>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <unistd.h>

#include "hilo/channel.hpp"
#include "hilo/fiber.hpp"
#include "hilo/io.hpp"
#include "hilo/latch.hpp"
#include "hilo/limit.hpp"
#include "hilo/runtime.hpp"
#include "hilo/timer.hpp"

#include "runtime/sched/queues/run_queue.hpp"
#include "runtime/sched/worker.hpp"
#include "tests/doctest.hpp"
#include "tests/runtimes.hpp"

namespace {

using hilo::runtime_metrics;
using hilo::worker_metrics;

// A fiber counts its end after its joiner may have gone on.
runtime_metrics read_when_alone() {
  runtime_metrics now = hilo::metrics();
  for (; now.fibers != 1; now = hilo::metrics()) hilo::yield();
  return now;
}

bool has_grown(const worker_metrics& from, const worker_metrics& to) {
  return to.spawned >= from.spawned && to.ended >= from.ended && to.switches >= from.switches &&
         to.parks >= from.parks && to.stolen >= from.stolen && to.injected >= from.injected &&
         to.io_submitted >= from.io_submitted && to.io_completed >= from.io_completed &&
         to.idle >= from.idle;
}

// The lines of a text for Prometheus, by name and labels; checks its grammar.
struct scrape {
  std::map<std::string, double> values;
  std::map<std::string, std::string> types;
};

bool is_name(const std::string& text) {
  return !text.empty() &&
         text.find_first_not_of(
             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_:0123456789") ==
             std::string::npos &&
         (text[0] < '0' || text[0] > '9');
}

// Returns what follows the labels `{name="value",…}` that `text` begins with; "?" if they are
// wrong.
std::string after_labels(const std::string& text) {
  std::size_t at = 1;
  while (true) {
    const std::size_t equals = text.find('=', at);
    if (equals == std::string::npos || !is_name(text.substr(at, equals - at))) return "?";
    if (text[equals + 1] != '"') return "?";
    for (at = equals + 2; at < text.size() && text[at] != '"'; ++at) {
      if (text[at] != '\\') continue;
      ++at;
      if (at == text.size() || (text[at] != '\\' && text[at] != '"' && text[at] != 'n')) return "?";
    }
    if (++at >= text.size()) return "?";
    if (text[at] == '}') return text.substr(at + 1);
    if (text[at++] != ',') return "?";
  }
}

scrape parse(const std::string& text) {
  scrape all;
  std::string helped;
  std::string current;
  REQUIRE(!text.empty());
  REQUIRE(text.back() == '\n');
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    CAPTURE(line);
    if (line.starts_with("# HELP ")) {
      helped = line.substr(7, line.find(' ', 7) - 7);
      REQUIRE(is_name(helped));
      REQUIRE(!all.types.contains(helped));  // all lines of a metric stay together
    } else if (line.starts_with("# TYPE ")) {
      current = line.substr(7, line.find(' ', 7) - 7);
      REQUIRE(current == helped);
      all.types[current] = line.substr(line.rfind(' ') + 1);
    } else {
      const std::size_t end = line.find_first_of("{ ");
      REQUIRE(end != std::string::npos);
      const std::string name = line.substr(0, end);
      REQUIRE(is_name(name));
      REQUIRE(name.starts_with(current));
      const std::string rest = line[end] == '{' ? after_labels(line.substr(end)) : line.substr(end);
      REQUIRE(rest.starts_with(" "));
      std::size_t used = 0;
      const double value = std::stod(rest.substr(1), &used);
      REQUIRE(used == rest.size() - 1);
      REQUIRE(all.values.emplace(line.substr(0, line.size() - rest.size()), value).second);
    }
  }
  return all;
}

}  // namespace

TEST_CASE("metrics: spawns, ends and parks are counted, on any number of carriers") {
  for (const unsigned carriers : {1U, 2U, 4U}) {
    CAPTURE(carriers);
    hilo::run(hilo::runtime_options{.carriers = carriers}, [&] {
      constexpr int fibers = 100;
      constexpr int rounds = 50;
      const runtime_metrics before = read_when_alone();
      REQUIRE(before.workers.size() >= carriers);
      {
        std::vector<hilo::fiber<void>> all;
        hilo::channel<int> there(0);
        hilo::channel<int> back(0);
        for (int i = 0; i < fibers; ++i) {
          all.push_back(hilo::spawn([&] {
            for (int round = 0; round < rounds; ++round) {
              (void)there.receive();
              (void)back.send(round);
            }
          }));
        }
        for (int i = 0; i < fibers * rounds; ++i) {
          (void)there.send(i);
          (void)back.receive();
        }
        for (auto& one : all) one.join();
      }
      const runtime_metrics after = read_when_alone();
      const worker_metrics from = before.total();
      const worker_metrics to = after.total();
      CHECK(to.spawned - from.spawned == fibers);
      CHECK(to.ended - from.ended == fibers);
      // Of the two ends of an unbuffered exchange, one waits for the other.
      CHECK(to.parks - from.parks >= fibers * rounds);
      CHECK(to.parks - from.parks <= 4 * fibers * rounds + 2 * fibers);
      CHECK(to.switches - from.switches >= to.parks - from.parks);
      CHECK(has_grown(from, to));
    });
  }
}

TEST_CASE("metrics: the counts of switches and parks go on beyond 32 bits") {
  using hilo::sched::run_queue;
  std::uint64_t switches = 0;
  std::uint64_t parks = 0;
  std::uint64_t word = 0;  // as take_quickly() counts
  run_queue::turn_counts seen{0, 0};
  for (const std::uint64_t step :
       {1U, 61U, 0xffff'fff0U, 0x8000'0001U, 0xffff'ffffU, 7U, 0xffff'ffffU}) {
    switches += step;
    parks += step / 3;
    word += step + ((step / 3) << 32);
    seen = run_queue::lengthen(seen.switches, seen.parks, word);
    CHECK(seen.switches == switches);
    CHECK(seen.parks == parks);
  }
}

TEST_CASE("metrics: a fiber that gives way does not park") {
  hilo::run(hilo::runtime_options{.carriers = 1}, [] {
    auto other = hilo::spawn([] {
      for (int i = 0; i < 10'000; ++i) hilo::yield();
    });
    const worker_metrics before = hilo::metrics().total();
    for (int i = 0; i < 5000; ++i) hilo::yield();
    const worker_metrics after = hilo::metrics().total();
    CHECK(after.switches - before.switches >= 10'000);
    CHECK(after.parks == before.parks);
    other.join();
    CHECK(hilo::metrics().total().parks == before.parks + 1);
  });
}

TEST_CASE("metrics: a thread outside spawns, and its fibers come from the injector") {
  hilo::runtime its(hilo::runtime_options{.carriers = 2});
  for (int i = 0; i < 10; ++i) its.spawn([] {}).join();
  const runtime_metrics now = its.metrics();
  CHECK(now.outside.spawned == 10);
  CHECK(now.total().spawned == 10);
  CHECK(now.total().injected == 10);
  CHECK(!now.wakeups);
}

TEST_CASE("metrics: outside a runtime they are refused") {
  CHECK_THROWS_WITH_AS((void)hilo::metrics(), doctest::Contains("runtime::metrics"),
                       std::system_error);
}

TEST_CASE("metrics: fibers that a busy worker leaves behind are stolen") {
  hilo::run(hilo::runtime_options{.carriers = 4}, [] {
    // Each round leaves fibers behind a fiber that computes until another worker has run one.
    while (hilo::metrics().total().stolen == 0) {
      std::atomic<int> elsewhere{0};
      std::vector<hilo::fiber<void>> all;
      for (int i = 0; i < 8; ++i)
        all.push_back(hilo::spawn([&] { elsewhere.fetch_add(1, std::memory_order_relaxed); }));
      while (elsewhere.load(std::memory_order_relaxed) == 0) std::this_thread::yield();
      for (auto& one : all) one.join();
    }
  });
}

TEST_CASE("metrics: a worker that sleeps is idle") {
  const auto begun = std::chrono::steady_clock::now();
  hilo::runtime its(hilo::runtime_options{.carriers = 1});
  while (its.metrics().total().idle < std::chrono::milliseconds(20)) {
    its.run([] { (void)hilo::sleep_for(std::chrono::milliseconds(5)); });
  }
  CHECK(its.metrics().total().idle <= std::chrono::steady_clock::now() - begun);
  // From now on it sleeps, and its idle time goes on.
  const auto seen = its.metrics().total().idle;
  while (its.metrics().total().idle <= seen) std::this_thread::yield();
}

TEST_CASE("metrics: a call that waits is submitted, and then completed") {
  for (const hilo::io_driver driver : {hilo::io_driver::any, hilo::io_driver::epoll}) {
    hilo::run(hilo::runtime_options{.carriers = 2, .io = driver}, [] {
      std::array<int, 2> ends{};
      REQUIRE(::pipe(ends.data()) == 0);
      const worker_metrics before = hilo::metrics().total();
      auto reader = hilo::spawn([&] {
        char one = 0;
        return hilo::io::read(ends[0], &one, 1).value();
      });
      while (hilo::metrics().total().io_submitted == before.io_submitted) hilo::yield();
      CHECK(::write(ends[1], "x", 1) == 1);
      CHECK(reader.join() == 1);
      const worker_metrics after = hilo::metrics().total();
      CHECK(after.io_submitted > before.io_submitted);
      CHECK(after.io_completed > before.io_completed);
      CHECK(after.io_completed <= after.io_submitted);
      ::close(ends[0]);
      ::close(ends[1]);
    });
  }
}

TEST_CASE("metrics: each wake-up is measured, if that is asked for") {
  for (const unsigned carriers : {1U, 2U, 4U}) {
    CAPTURE(carriers);
    hilo::run(hilo::runtime_options{.carriers = carriers, .measure_wakeups = true}, [] {
      REQUIRE(hilo::metrics().wakeups);
      hilo::channel<int> numbers(0);
      auto reader = hilo::spawn([&] {
        int sum = 0;
        while (auto one = numbers.receive()) sum += *one;
        return sum;
      });
      auto urgent = hilo::spawn({.urgency = hilo::priority::high, .pinned = true}, [] {
        for (int i = 0; i < 10; ++i) (void)hilo::sleep_for(std::chrono::microseconds(100));
      });
      for (int i = 0; i < 1000; ++i) {
        (void)numbers.send(1);
        hilo::yield();
      }
      numbers.close();
      CHECK(reader.join() == 1000);
      urgent.join();
      const runtime_metrics now = read_when_alone();
      CHECK(now.wakeups->count() >= 500);
      CHECK(now.wakeups->count() <= now.total().parks);
      CHECK(now.wakeups->sum.count() > 0);
    });
  }
}

TEST_CASE("metrics: the wait of a fiber behind a busy one is in its bucket") {
  using std::chrono::milliseconds;
  const hilo::runtime_options options{
      .carriers = 1, .stuck_after = milliseconds(0), .measure_wakeups = true};
  hilo::run(options, [] {
    hilo::event ready;
    auto waiter = hilo::spawn([&] { (void)ready.wait(); });
    hilo::yield();
    ready.set();
    std::this_thread::sleep_for(milliseconds(10));  // the carrier computes
    waiter.join();
    const hilo::wakeup_histogram times = *hilo::metrics().wakeups;
    std::uint64_t long_waits = 0;
    for (std::size_t i = 23; i < times.buckets.size(); ++i) long_waits += times.buckets[i];
    CHECK(long_waits >= 1);  // 2^23 ns is 8.4 ms
    CHECK(times.sum >= milliseconds(10));
  });
}

TEST_CASE("metrics: the text for Prometheus has the format, and the counts") {
  hilo::run(hilo::runtime_options{.carriers = 2, .measure_wakeups = true}, [] {
    for (int i = 0; i < 10; ++i) hilo::spawn([] { hilo::yield(); }).join();
    const runtime_metrics now = read_when_alone();
    const scrape seen = parse(hilo::to_prometheus(now));
    CHECK(seen.types.at("hilo_fibers") == "gauge");
    CHECK(seen.types.at("hilo_parks_total") == "counter");
    CHECK(seen.types.at("hilo_wakeup_seconds") == "histogram");
    CHECK(seen.values.at("hilo_fibers") == 1);
    double spawned = seen.values.at("hilo_spawned_total{worker=\"outside\"}");
    for (std::size_t i = 0; i < now.workers.size(); ++i) {
      spawned += seen.values.at("hilo_spawned_total{worker=\"" + std::to_string(i) + "\"}");
    }
    CHECK(spawned == 11);
    const double count = seen.values.at("hilo_wakeup_seconds_count");
    CHECK(count == static_cast<double>(now.wakeups->count()));
    CHECK(count == seen.values.at("hilo_wakeup_seconds_bucket{le=\"+Inf\"}"));
    CHECK(seen.values.contains("hilo_wakeup_seconds_bucket{le=\"1.024e-06\"}"));
    (void)parse(hilo::metrics_text());
  });
}

TEST_CASE("metrics: the name of a runtime is a label, and its letters are escaped") {
  runtime_metrics counts;
  counts.workers.resize(1);
  counts.workers[0].parks = 7;
  const std::string text = hilo::to_prometheus(counts, "a\\b\"c\nd");
  const scrape seen = parse(text);
  const std::string label = R"(runtime="a\\b\"c\nd")";
  CHECK(seen.values.at("hilo_fibers{" + label + "}") == 0);
  CHECK(seen.values.at("hilo_parks_total{" + label + ",worker=\"0\"}") == 7);
}
