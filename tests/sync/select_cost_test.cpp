// What selects cost when there are many of them: leaving a long wait list takes as long as leaving
// a short one, and nothing of a select is left when it is over.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <fstream>
#include <limits>
#include <memory>
#include <optional>
#include <random>
#include <vector>

#include <unistd.h>

#include "hilo/channel.hpp"
#include "hilo/fiber.hpp"
#include "hilo/latch.hpp"
#include "hilo/runtime.hpp"
#include "hilo/select.hpp"

#include "runtime/base/sanitizers.hpp"
#include "tests/doctest.hpp"
#include "tests/emulator.hpp"
#include "tests/runtimes.hpp"
#include "tests/skip.hpp"

using hilo::receive_from;
using hilo::status;

namespace {

std::int64_t processor_time() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

std::size_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::size_t size = 0;
  std::size_t resident = 0;
  file >> size >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

// Processor time in which `many` fibers leave the list of a channel that never gets a value: one
// for all of them, or one each. They leave in a random order. The least of some runs.
std::int64_t time_to_leave(std::size_t many, bool shared, std::uint64_t seed) {
  std::int64_t least = std::numeric_limits<std::int64_t>::max();
  for (int run = 0; run < 3; ++run) {
    hilo::run({.carriers = 1}, [&] {
      std::vector<std::unique_ptr<hilo::channel<int>>> never;
      std::vector<std::unique_ptr<hilo::event>> go;
      std::vector<hilo::fiber<std::size_t>> all;
      for (std::size_t i = 0; i < many; ++i) {
        if (i == 0 || !shared) never.push_back(std::make_unique<hilo::channel<int>>());
        go.push_back(std::make_unique<hilo::event>());
        all.push_back(hilo::spawn([&from = *never.back(), &mine = *go.back()] {
          std::optional<int> none;
          return hilo::select{receive_from(from, none), hilo::set_of(mine)}.index;
        }));
      }
      hilo::sleep_for(std::chrono::milliseconds(1));  // returns after all have had their turn
      std::shuffle(go.begin(), go.end(), std::mt19937_64(seed));
      const std::int64_t start = processor_time();
      for (auto& one : go) one->set();
      std::size_t sum = 0;
      for (auto& one : all) sum += one.join();
      least = std::min(least, processor_time() - start);
      CHECK(sum == many);
    });
  }
  return least;
}

}  // namespace

TEST_CASE("select: leaving a list of many waiters takes no longer than leaving one of few") {
#if HILO_ASAN || HILO_TSAN
  HILO_SKIP("the time that a sanitizer takes is no measure of ours");
#endif
  const std::uint64_t seed = hilo::test::stress_seed();
  INFO("HILO_SEED=", seed);
  const auto many = static_cast<std::size_t>(hilo::test::repetitions(8000));
  // Were the list searched, each would pass thousands of others: eight to twenty times as long,
  // measured.
  CHECK(time_to_leave(many, true, seed) < 3 * time_to_leave(many, false, seed));
}

TEST_CASE("select: a million with timeouts, met and not met, leave no memory behind") {
  HILO_NEEDS(memory_figures);
  const auto selects =
      static_cast<std::size_t>(hilo::test::repetitions(HILO_TSAN ? 100'000 : 1'000'000));
  constexpr std::size_t fibers = 1000;
  hilo::run({.carriers = 2}, [&] {
    hilo::channel<int> numbers;
    hilo::channel<int> never;
    std::atomic<std::size_t> timeouts{0};
    const auto run_selects = [&](std::size_t count) {
      std::vector<hilo::fiber<void>> all;
      for (std::size_t f = 0; f < fibers; ++f) {
        all.push_back(hilo::spawn([&, f] {
          for (std::size_t i = 0; i < count / fibers; ++i) {
            std::optional<int> got;
            const auto patience = std::chrono::microseconds((f * 7 + i) % 100);
            // Every third fiber sends, every other waits for what is rarely there.
            const std::size_t which =
                f % 3 == 0 ? hilo::select{send_to(numbers, 1), receive_from(never, got),
                                          hilo::after(patience)}
                                 .index
                           : hilo::select{receive_from(numbers, got), receive_from(never, got),
                                          hilo::after(patience)}
                                 .index;
            if (which == 2) timeouts.fetch_add(1, std::memory_order_relaxed);
          }
        }));
      }
      for (auto& one : all) one.join();
    };
    run_selects(selects / 10);
    [[maybe_unused]] const std::size_t before = resident_bytes();
    run_selects(selects);
    [[maybe_unused]] const std::size_t after = resident_bytes();
    const std::size_t late = timeouts.load(std::memory_order_relaxed);
    CHECK(late > selects / 20);
    CHECK(late < selects);
    // Nobody is left in a list.
    CHECK(numbers.try_send(1) == status::would_block);
    std::optional<int> got;
    CHECK(numbers.try_receive(got) == status::would_block);
    CHECK(never.try_send(1) == status::would_block);
#if !HILO_ASAN && !HILO_TSAN  // they keep memory of their own
    // 16 bytes a select would be 16 MB. Each of the stacks may have become a page deeper: 4 MB.
    CHECK(after < before + (std::size_t{8} << 20));
#endif
  });
}
