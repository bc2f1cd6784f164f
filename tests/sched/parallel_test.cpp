#include <atomic>
#include <cstdint>
#include <limits>
#include <list>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include "hilo/channel.hpp"
#include "hilo/fiber.hpp"
#include "hilo/fork_join.hpp"

#include "tests/doctest.hpp"
#include "tests/runtimes.hpp"

using hilo::test::on_each_runtime;

TEST_CASE("parallel_for: each item is visited exactly once, whatever the grain") {
  const auto body = [] {
    for (const std::size_t grain : {0, 1, 7, 100'000}) {
      for (const std::size_t count : {0, 1, 2, 3, 1000, 54'321}) {
        std::vector<std::uint8_t> visited(count, 0);
        hilo::parallel_for(
            0, count, [&](std::size_t i) { ++visited[i]; }, grain);
        CHECK(std::accumulate(visited.begin(), visited.end(), std::size_t{0}) == count);
      }
    }
  };
  on_each_runtime(body);
  body();
}

TEST_CASE("parallel_for: over iterators the body gets the elements") {
  on_each_runtime([] {
    std::vector<int> numbers(10'000);
    std::iota(numbers.begin(), numbers.end(), 0);
    hilo::parallel_for(numbers.begin(), numbers.end(), [](int& one) { one *= 2; });
    for (std::size_t i = 0; i < numbers.size(); ++i) REQUIRE(numbers[i] == static_cast<int>(2 * i));
  });
}

TEST_CASE("parallel_for: a range may span its whole type, and be empty or reversed") {
  on_each_runtime([] {
    std::atomic<int> calls = 0;
    const auto count = [&](auto) { calls.fetch_add(1, std::memory_order_relaxed); };
    using tiny = std::numeric_limits<std::int8_t>;
    hilo::parallel_for(tiny::min(), tiny::max(), count);
    CHECK(calls.load(std::memory_order_relaxed) == 255);
    hilo::parallel_for(5, 5, count);
    hilo::parallel_for(5, 3, count);
    CHECK(calls.load(std::memory_order_relaxed) == 255);
    hilo::parallel_for(-3, 4, count);
    CHECK(calls.load(std::memory_order_relaxed) == 262);
  });
}

TEST_CASE("parallel_for: with grain 1 a body may wait for another's") {
  on_each_runtime([] {
    hilo::channel<int> values;
    std::atomic<int> sum = 0;
    hilo::parallel_for(
        0, 32,
        [&](int i) {
          if (i % 2 == 0) {
            sum.fetch_add(values.receive().value(), std::memory_order_relaxed);
          } else {
            (void)values.send(i);
          }
        },
        1);
    CHECK(sum.load(std::memory_order_relaxed) == 256);
  });
}

TEST_CASE("parallel_for: an exception is rethrown after every body has ended") {
  on_each_runtime([] {
    for (const std::size_t grain : {0, 1, 16}) {
      std::atomic<int> inside = 0;
      const auto run = [&] {
        hilo::parallel_for(
            0, 2000,
            [&](int i) {
              struct visit {
                std::atomic<int>& count;
                explicit visit(std::atomic<int>& c) : count(c) {
                  count.fetch_add(1, std::memory_order_relaxed);
                }
                ~visit() { count.fetch_sub(1, std::memory_order_relaxed); }
              } const here(inside);
              if (i % 64 == 0) hilo::yield();
              if (i >= 700) throw std::runtime_error(std::to_string(i));
            },
            grain);
      };
      CHECK_THROWS_AS(run(), std::runtime_error);
      CHECK(inside.load(std::memory_order_relaxed) == 0);
    }
  });
}

TEST_CASE("parallel_reduce: values are combined in their order") {
  const auto body = [] {
    std::string wanted = ">";
    for (int i = 0; i < 2000; ++i) wanted += std::to_string(i) + ",";
    for (const std::size_t grain : {0, 1, 9, 5000}) {
      const std::string got = hilo::parallel_reduce(
          0, 2000, std::string(">"), [](int i) { return std::to_string(i) + ","; },
          [](std::string left, const std::string& right) { return std::move(left) + right; },
          grain);
      CHECK(got == wanted);
    }
    CHECK(hilo::parallel_reduce(
              3, 3, 7, [](int i) { return i; }, [](int a, int b) { return a + b; }) == 7);
  };
  on_each_runtime(body);
  body();
}

TEST_CASE("parallel_reduce: a given grain makes a floating-point sum the same on every run") {
  std::vector<double> numbers(20'000);
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = 1.0 / static_cast<double>(i + 1);
  const auto sum = [&] {
    return hilo::parallel_reduce(
        numbers.begin(), numbers.end(), 0.0, [](double one) { return one; },
        [](double a, double b) { return a + b; }, 64);
  };
  const double serial = sum();
  on_each_runtime([&] {
    for (int round = 0; round < 20; ++round) CHECK(sum() == serial);
  });
}

TEST_CASE("parallel_reduce: an exception of map or combine is rethrown") {
  on_each_runtime([] {
    const auto reduce = [](int bad_map, int bad_sum) {
      return hilo::parallel_reduce(
          0, 1000, 0,
          [=](int i) {
            if (i == bad_map) throw std::runtime_error("map");
            return i;
          },
          [=](int a, int b) {
            if (a + b > bad_sum) throw std::range_error("sum");
            return a + b;
          },
          8);
    };
    CHECK(reduce(-1, 1'000'000) == 499'500);
    CHECK_THROWS_WITH_AS(reduce(500, 1'000'000), "map", std::runtime_error);
    CHECK_THROWS_WITH_AS(reduce(-1, 400'000), "sum", std::range_error);
  });
}
