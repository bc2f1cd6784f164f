#include "hilo/mutex.hpp"

#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>
#include <vector>

#include "hilo/fiber.hpp"

#include "tests/death.hpp"
#include "tests/doctest.hpp"
#include "tests/runtimes.hpp"

using hilo::test::on_each_runtime;

TEST_CASE("mutex: fibers that yield inside the critical section exclude each other") {
  on_each_runtime([] {
    hilo::mutex guard;
    int shared = 0;
    bool inside = false;
    std::vector<hilo::fiber<void>> all;
    for (int f = 0; f < 16; ++f) {
      all.push_back(hilo::spawn([&] {
        for (int i = 0; i < 200; ++i) {
          const std::scoped_lock lock(guard);
          REQUIRE_FALSE(inside);
          inside = true;
          const int before = shared;
          if (i % 3 == 0) hilo::yield();
          shared = before + 1;
          inside = false;
        }
      }));
    }
    for (auto& one : all) one.join();
    CHECK(shared == 16 * 200);
  });
}

TEST_CASE("mutex: fibers, hilo threads and foreign threads share one") {
  on_each_runtime([] {
    hilo::mutex guard;
    long shared = 0;
    const auto work = [&] {
      for (int i = 0; i < 2000; ++i) {
        const std::scoped_lock lock(guard);
        ++shared;
      }
    };
    std::vector<hilo::fiber<void>> fibers;
    for (int i = 0; i < 4; ++i) fibers.push_back(hilo::spawn(work));
    std::thread foreign(work);
    std::thread another(work);
    for (auto& one : fibers) one.join();
    foreign.join();
    another.join();
    CHECK(shared == 6 * 2000);
  });
}

TEST_CASE("mutex: try_lock takes a free one and refuses a held one") {
  hilo::mutex guard;
  CHECK(guard.try_lock());
  CHECK_FALSE(guard.try_lock());
  guard.unlock();
  CHECK(guard.try_lock());
  guard.unlock();
}

TEST_CASE("mutex: a waiter gets it although another takes it again and again") {
  on_each_runtime([] {
    hilo::mutex guard;
    std::atomic<bool> got{false};
    guard.lock();
    auto waiter = hilo::spawn([&] {
      const std::scoped_lock lock(guard);
      got.store(true, std::memory_order_relaxed);
    });
    hilo::yield();
    // The greedy one only yields while it holds the mutex, so every attempt of the waiter fails
    // until the mutex is handed over.
    guard.unlock();
    while (!got.load(std::memory_order_relaxed)) {
      const std::scoped_lock lock(guard);
      hilo::yield();
    }
    waiter.join();
  });
}

TEST_CASE("mutex: unlocking a free one, and destroying a held one, aborts") {
  CHECK(hilo::test::run_in_child([] {
          hilo::mutex guard;
          guard.unlock();
        }).aborted_with("hilo: unlock of a mutex that is not locked"));
  CHECK(hilo::test::run_in_child([] {
          hilo::mutex guard;
          guard.lock();
        }).aborted_with("hilo: a mutex is destroyed while it is locked"));
}
