#include "hilo/fork_join.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <numeric>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include "hilo/channel.hpp"
#include "hilo/fiber.hpp"
#include "hilo/mutex.hpp"

#include "runtime/base/sanitizers.hpp"
#include "tests/doctest.hpp"
#include "tests/runtimes.hpp"

using hilo::fork_join;
using hilo::test::on_each_runtime;
using namespace std::chrono_literals;

namespace {

long fib(long n) {
  if (n < 2) return n;
  auto [a, b] = fork_join([n] { return fib(n - 1); }, [n] { return fib(n - 2); });
  return a + b;
}

long fib_of_threes(long n) {
  if (n < 3) return n < 2 ? n : 1;
  auto [a, b, c] =
      fork_join([n] { return fib_of_threes(n - 2); }, [n] { return fib_of_threes(n - 3); },
                [n] { return fib_of_threes(n - 2); });
  return a + b + c;
}

struct failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Calls leaf(i) for each i in [low, high), each a leaf of a tree of forks.
template <class F>
std::uint64_t sum_leaves(std::uint32_t low, std::uint32_t high, const F& leaf) {
  if (high - low == 1) return leaf(low);
  const std::uint32_t middle = low + (high - low) / 2;
  auto [left, right] = fork_join([&] { return sum_leaves(low, middle, leaf); },
                                 [&] { return sum_leaves(middle, high, leaf); });
  return left + right;
}

// Waits until `flag` is set, letting others run.
void wait_for(const std::atomic<bool>& flag) {
  while (!flag.load(std::memory_order_acquire)) hilo::yield();
}

}  // namespace

TEST_CASE("fork_join: results come in the order of the callables, by value, reference and void") {
  on_each_runtime([] {
    CHECK(fork_join([] { return 1; }, [] { return std::string("two"); }) ==
          std::tuple(1, std::string("two")));
    int here = 0;
    auto [first, second, third] =
        fork_join([&]() -> int& { return here; }, [] {}, [] { return std::make_unique<int>(3); });
    CHECK(&first == &here);
    static_assert(std::is_same_v<decltype(second), std::monostate>);
    CHECK(*third == 3);
    static_assert(std::is_void_v<decltype(fork_join([] {}, [] {}))>);
    int sum = 0;
    hilo::parallel_invoke([&] { sum += 1; });
    CHECK(sum == 1);
    CHECK(fork_join([] { return 4; }) == std::tuple(4));
  });
}

TEST_CASE("fork_join: nested calls return what a serial run returns") {
  on_each_runtime([] {
    CHECK(fib(22) == 17711);
    CHECK(fib_of_threes(24) > 0);
  });
  CHECK(fib(15) == 610);
}

TEST_CASE("fork_join: outside a runtime the calls are made in order by the calling thread") {
  std::vector<std::thread::id> threads;
  std::string order;
  std::thread([&] {
    fork_join(
        [&] {
          order += 'a';
          threads.push_back(std::this_thread::get_id());
        },
        [&] {
          order += 'b';
          threads.push_back(std::this_thread::get_id());
        },
        [&] { order += 'c'; });
  }).join();
  CHECK(order == "abc");
  CHECK(threads[0] == threads[1]);
  CHECK_THROWS_AS(fork_join([] { throw failure("f"); }, [&] { order += 'd'; }), failure);
  CHECK(order == "abcd");
}

TEST_CASE("fork_join: an exception of either side is rethrown after both have ended") {
  on_each_runtime([] {
    for (int round = 0; round < 50; ++round) {
      std::atomic<int> ended = 0;
      const auto ends = [&] {
        fib(8);
        ended.fetch_add(1, std::memory_order_relaxed);
      };
      const auto fails = [&] {
        ends();
        throw failure("this one");
      };
      CHECK_THROWS_WITH_AS(fork_join(fails, ends), "this one", failure);
      CHECK(ended.load(std::memory_order_relaxed) == 2);
      CHECK_THROWS_WITH_AS(fork_join(ends, fails), "this one", failure);
      CHECK(ended.load(std::memory_order_relaxed) == 4);
      CHECK_THROWS_WITH_AS(fork_join(ends, ends, fails, ends), "this one", failure);
      CHECK(ended.load(std::memory_order_relaxed) == 8);
    }
  });
}

TEST_CASE("fork_join: of several exceptions that of the first argument is rethrown") {
  on_each_runtime([] {
    for (int round = 0; round < 50; ++round) {
      const auto late = [] {
        fib(8);
        throw failure("first");
      };
      const auto early = [] { throw failure("second"); };
      CHECK_THROWS_WITH_AS(fork_join(late, early), "first", failure);
      CHECK_THROWS_WITH_AS(fork_join([] {}, late, early), "first", failure);
    }
  });
}

TEST_CASE("fork_join: a result is destroyed when the other side throws") {
  on_each_runtime([] {
    auto token = std::make_shared<int>(1);
    for (int round = 0; round < 50; ++round) {
      const auto holds = [&] {
        fib(6);
        return token;
      };
      const auto fails = []() -> int {
        hilo::yield();
        throw failure("no");
      };
      CHECK_THROWS_AS(fork_join(holds, fails), failure);
      CHECK_THROWS_AS(fork_join(fails, holds), failure);
    }
    CHECK(token.use_count() == 1);
  });
}

TEST_CASE("fork_join: a call that parks waits for what the other does") {
  on_each_runtime([] {
    hilo::channel<int> there;
    hilo::channel<int> back;
    auto [got, sent] = fork_join(
        [&] {
          (void)there.send(5);
          return back.receive().value();
        },
        [&] {
          const int value = there.receive().value();
          (void)back.send(value * 2);
          return value;
        });
    CHECK(got == 10);
    CHECK(sent == 5);
  });
}

TEST_CASE("fork_join: a call that parks deep inside hands on the forks of all its callers") {
  on_each_runtime([] {
    hilo::channel<int> values;
    constexpr int depth = 40;
    struct tree {
      static int descend(hilo::channel<int>& values, int left) {
        if (left == 0) {  // waits for every other call
          int sum = 0;
          for (int i = 0; i < depth; ++i) sum += values.receive().value();
          return sum;
        }
        auto [sum, unused] =
            fork_join([&] { return descend(values, left - 1); }, [&] { (void)values.send(left); });
        return sum;
      }
    };
    CHECK(tree::descend(values, depth) == depth * (depth + 1) / 2);
  });
}

TEST_CASE("fork_join: a call that yields lets the other start") {
  on_each_runtime([] {
    std::atomic<bool> started = false;
    fork_join([&] { wait_for(started); }, [&] { started.store(true, std::memory_order_release); });
    CHECK(started.load(std::memory_order_relaxed));
  });
}

TEST_CASE("fork_join: an idle carrier takes the second call while the first computes") {
  hilo::run({.carriers = 2}, [] {
    for (int round = 0; round < 20; ++round) {
      std::atomic<bool> started = false;
      std::atomic<bool> done = false;
      fork_join(
          [&] {
            // Forks without parking: each is a chance to answer the idle carrier.
            while (!started.load(std::memory_order_acquire)) fork_join([] {}, [] {});
            done.store(true, std::memory_order_release);
          },
          [&] { started.store(true, std::memory_order_release); });
      CHECK(done.load(std::memory_order_relaxed));
    }
  });
}

TEST_CASE("fork_join: a request that finds no fork left stays for the next fork") {
  hilo::run({.carriers = 2}, [] {
    int left_to_fork = 0;
    int requests = 0;
    for (int round = 0; round < 20; ++round) {
      std::atomic<bool> started = false;
      const hilo::fiber_id here = hilo::this_fiber::id();
      fork_join(
          [&] {
            while (!started.load(std::memory_order_acquire)) hilo::detail::answer_request();
            hilo::detail::current_carrier()->wanted.store(1, std::memory_order_relaxed);
          },
          [&] {
            if (hilo::this_fiber::id() != here) return;  // it was offered too
            ++left_to_fork;
            requests +=
                hilo::detail::current_carrier()->wanted.load(std::memory_order_relaxed) != 0;
          },
          [&] { started.store(true, std::memory_order_release); });
    }
    CHECK(requests == left_to_fork);
  });
}

TEST_CASE("fork_join: of many calls each is made once, whichever parks or throws") {
  on_each_runtime([] {
    for (int failing = 0; failing < 6; ++failing) {
      std::array<std::atomic<int>, 6> made{};
      const auto call = [&](int which) {
        return [&, which] {
          if (which == 2) hilo::yield();
          made[static_cast<std::size_t>(which)].fetch_add(1, std::memory_order_relaxed);
          if (which >= failing) throw failure(std::to_string(which));
          return std::to_string(which);
        };
      };
      CHECK_THROWS_WITH_AS(fork_join(call(0), call(1), call(2), call(3), call(4), call(5)),
                           std::to_string(failing).c_str(), failure);
      for (const auto& times : made) CHECK(times.load(std::memory_order_relaxed) == 1);
    }
    CHECK(fork_join([] { return 1; }, [] { return 'b'; }, [] {}, [] { return 4.5; }) ==
          std::tuple(1, 'b', std::monostate(), 4.5));
  });
}

TEST_CASE("fork_join: calls park, sleep, lock and migrate, and each is made exactly once") {
  const std::uint64_t seed = hilo::test::stress_seed();
  INFO("HILO_SEED=", seed);  // here, since its list is the thread's and a fiber migrates
  on_each_runtime([seed] {
    constexpr std::uint32_t items = 4096;
    std::vector<std::uint8_t> made(items, 0);
    hilo::mutex lock;
    std::uint64_t under_lock = 0;
    hilo::channel<std::uint32_t> through(8);
    std::uint64_t received = 0;
    auto reader = hilo::spawn([&] {
      for (const std::uint32_t item : through) received += item;
    });
    const std::uint64_t sum = sum_leaves(0, items, [&](std::uint32_t item) -> std::uint64_t {
      ++made[item];
      std::minstd_rand random(static_cast<std::uint32_t>(seed) + item);
      switch (random() % 16) {
        case 0:
          hilo::sleep_for(10us);
          break;
        case 1:
        case 2:
          hilo::yield();
          break;
        case 3: {
          const std::scoped_lock guard(lock);
          ++under_lock;
          if (random() % 4 == 0) hilo::yield();
          break;
        }
        case 4:
          (void)through.send(item);
          return item;
        case 5:
          return hilo::spawn([item] { return std::uint64_t(item); }).join();
        default:
          break;
      }
      return item;
    });
    through.close();
    reader.join();
    CHECK(sum == std::uint64_t(items) * (items - 1) / 2);
    for (const std::uint8_t times : made) REQUIRE(times == 1);
  });
}

TEST_CASE("fork_join: many fibers fork at once, each gets its own results") {
  on_each_runtime([] {
    std::vector<hilo::fiber<long>> fibers;
    for (int i = 0; i < 64; ++i) {
      fibers.push_back(hilo::spawn([i] {
        auto [a, b] = fork_join([i] { return fib(10 + i % 5); },
                                [i] {
                                  if (i % 3 == 0) hilo::sleep_for(100us);
                                  return fib(9 + i % 5);
                                });
        return a + b;
      }));
    }
    for (int i = 0; i < 64; ++i)
      CHECK(fibers[static_cast<std::size_t>(i)].join() == fib(11 + i % 5));
  });
}

TEST_CASE("fork_join: a recursion ten thousand calls deep is no deeper than its stack") {
  on_each_runtime([] {
    struct chain {
      static int descend(int left) {
        if (left == 0) return 0;
        auto [below, one] = fork_join([left] { return descend(left - 1); }, [] { return 1; });
        return below + one;
      }
    };
    auto deep =
        hilo::spawn({.stack_size = 16 * 1024 * 1024}, [] { return chain::descend(10'000); });
    CHECK(deep.join() == 10'000);
  });
}

TEST_CASE("fork_join: the second call has as much stack as the first") {
  on_each_runtime([] {
    const auto uses_a_megabyte = [] {
      volatile char room[1024 * 1024];
      room[0] = 1;
      room[sizeof room - 1] = 2;
      return room[0] + room[sizeof room - 1];
    };
    auto large = hilo::spawn({.stack_size = 2 * 1024 * 1024}, [&] {
      auto [a, b] = fork_join(
          [&] {
            hilo::yield();
            return uses_a_megabyte();
          },
          uses_a_megabyte);
      return a + b;
    });
    CHECK(large.join() == 6);
  });
}

TEST_CASE("fork_join: all calls have the stop token of the fiber that forked") {
  on_each_runtime([] {
    std::atomic<bool> ready = false;
    auto forking = hilo::spawn([&] {
      const auto until_stopped = [&] {
        ready.store(true, std::memory_order_release);
        while (!hilo::this_fiber::stop_token().stop_requested()) hilo::yield();
        return 1;
      };
      auto [a, b, c] = fork_join(until_stopped, until_stopped, until_stopped);
      return a + b + c;
    });
    wait_for(ready);
    forking.request_stop();
    CHECK(forking.join() == 3);
  });
}

TEST_CASE("fork_join: inside a catch block each side keeps its own exceptions") {
  on_each_runtime([] {
    try {
      throw failure("outer");
    } catch (const failure&) {
      fork_join(
          [] {
            try {
              throw failure("left");
            } catch (const failure& caught) {
              hilo::yield();
              CHECK(std::string(caught.what()) == "left");
            }
          },
          [] {
            try {
              throw failure("right");
            } catch (const failure& caught) {
              hilo::yield();
              CHECK(std::string(caught.what()) == "right");
            }
          });
      CHECK_THROWS_WITH_AS(throw, "outer", failure);
    }
  });
}
