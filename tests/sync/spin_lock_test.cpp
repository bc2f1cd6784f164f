#include "hilo/detail/spin_lock.hpp"

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include <sys/syscall.h>
#include <unistd.h>

#include "hilo/hilo.hpp"

#include "tests/death.hpp"
#include "tests/doctest.hpp"
#include "tests/emulator.hpp"
#include "tests/refusal.hpp"
#include "tests/runtimes.hpp"

// The first holders are one carrier, as a rule for long enough that the lock is its own; then
// others come, at any moment.
TEST_CASE("spin_lock: one holder at a time, also while its owner loses it") {
  const std::uint64_t seed = hilo::test::stress_seed();
  INFO("HILO_SEED=", seed);
  std::mt19937_64 random(seed);
  struct guarded {
    hilo::detail::spin_lock lock;
    std::uint64_t count = 0;  // plain: the lock makes it safe
    void add(std::uint64_t times) {
      for (; times != 0; --times) {
        const std::scoped_lock guard(lock);
        ++count;
      }
    }
  };
  for (int round = 0; round < 200; ++round) {
    auto one = std::make_unique<guarded>();
    const std::uint64_t first = random() % 80;
    const std::uint64_t more = 1 + random() % 2000;
    const std::uint64_t foreign = random() % 50;
    hilo::run({.carriers = 1}, [&] {
      one->add(first);
      std::vector<std::thread> others;
      for (int i = 0; i < 2; ++i) others.emplace_back([&] { one->add(foreign); });
      one->add(more);
      for (std::thread& other : others) other.join();
    });
    REQUIRE(one->count == first + more + 2 * foreign);
  }
}

TEST_CASE("spin_lock: threads that are no carriers never own it") {
  hilo::detail::spin_lock lock;
  std::uint64_t count = 0;
  std::vector<std::thread> all;
  for (int i = 0; i < 4; ++i) {
    all.emplace_back([&] {
      for (int n = 0; n < 20'000; ++n) {
        const std::scoped_lock guard(lock);
        ++count;
      }
    });
  }
  for (std::thread& one : all) one.join();
  CHECK(count == 80'000);
}

TEST_CASE("spin_lock: carriers that share one count right") {
  hilo::test::on_each_runtime([] {
    hilo::detail::spin_lock lock;
    std::uint64_t count = 0;
    std::vector<hilo::fiber<void>> all;
    for (int i = 0; i < 32; ++i) {
      all.push_back(hilo::spawn([&] {
        for (int n = 0; n < 1000; ++n) {
          {
            const std::scoped_lock guard(lock);
            ++count;
          }
          if (n % 64 == 0) hilo::yield();
        }
      }));
    }
    for (auto& fiber : all) fiber.join();
    CHECK(count == 32000);
  });
}

// A sandbox is entered while carriers run and own locks.
TEST_CASE("spin_lock: one holder at a time after a filter refused membarrier") {
  HILO_NEEDS(system_call_filters);
  const auto end = hilo::test::run_in_child([] {
    constexpr int many = 200;
    struct guarded {
      hilo::detail::spin_lock lock;
      std::uint64_t count = 0;  // plain: the lock makes it safe
    };
    const auto all = std::make_unique<guarded[]>(many);
    const auto add = [&all](int i, int times) {
      for (; times != 0; --times) {
        const std::scoped_lock guard(all[i].lock);
        ++all[i].count;
      }
    };
    hilo::run({.carriers = 2}, [&] {
      for (int i = 0; i < many; ++i) add(i, 100);
      if (!hilo::test::refuse({.number = SYS_membarrier, .error = EPERM})) ::_exit(2);
      std::atomic<int> at{0};
      std::thread other([&] {
        for (int i = 0; i < many; ++i) {
          at.store(i, std::memory_order_release);
          add(i, 50);
        }
      });
      // The owner comes by about when the other takes its lock away.
      for (int i = 0; i < many; ++i) {
        while (at.load(std::memory_order_acquire) < i) {
        }
        add(i, 200);
      }
      other.join();
      // Locks that are new are nobody's, and waits can still be ended.
      hilo::channel<int> numbers;
      auto receiver = hilo::spawn([&] { return numbers.receive().has_value(); });
      hilo::yield();
      receiver.request_stop();
      if (receiver.join()) ::_exit(3);
    });
    for (int i = 0; i < many; ++i) {
      if (all[i].count != 350) ::_exit(4);
    }
  });
  CAPTURE(end.describe());
  CHECK(end.exited);
  CHECK(end.code == 0);
}
