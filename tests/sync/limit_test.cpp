// Stop requests and limits: each call that parks is ended by them exactly once, promises are kept,
// and no wait list keeps a trace.

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <shared_mutex>
#include <stop_token>
#include <thread>
#include <vector>

#include "hilo/hilo.hpp"

#include "tests/doctest.hpp"
#include "tests/runtimes.hpp"

using hilo::status;
using hilo::test::on_each_runtime;
using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

namespace {

// Runs `wait` in a fiber that is asked to stop when it is parked, or just before or after.
template <class F>
void ends_when_stopped(F wait) {
  for (int turns = 0; turns < 4; ++turns) {
    std::atomic<bool> ended{false};
    auto waiting = hilo::spawn([&] {
      wait();
      ended.store(true, std::memory_order_relaxed);
    });
    for (int i = 0; i < turns; ++i) hilo::yield();
    waiting.request_stop();
    waiting.join();
    CHECK(ended.load(std::memory_order_relaxed));
  }
}

}  // namespace

TEST_CASE("stop: ends every kind of wait with cancelled") {
  on_each_runtime([] {
    hilo::channel<int> rendezvous;
    ends_when_stopped([&] {
      std::optional<int> none;
      CHECK(rendezvous.receive(none) == status::cancelled);
      CHECK_FALSE(none.has_value());
      CHECK_FALSE(rendezvous.receive().has_value());
    });
    hilo::channel<std::unique_ptr<int>> full(1);
    REQUIRE(full.send(std::make_unique<int>(1)) == status::ok);
    ends_when_stopped([&] {
      auto kept = std::make_unique<int>(2);
      CHECK(full.send(std::move(kept)) == status::cancelled);
      CHECK(kept != nullptr);
    });
    hilo::latch latch(1);
    ends_when_stopped([&] { CHECK(latch.wait(hilo::interruptible) == status::cancelled); });
    ends_when_stopped([] {
      hilo::latch pair(2);
      CHECK(pair.arrive_and_wait(hilo::interruptible) == status::cancelled);
      pair.count_down();  // the arrival counts
      CHECK(pair.arrive_and_wait(0, hilo::interruptible) == status::ok);
    });
    ends_when_stopped([] {
      hilo::latch three(3);
      CHECK(three.arrive_and_wait(2, hilo::interruptible) == status::cancelled);
      three.count_down();
      CHECK(three.try_wait());
    });
    hilo::wait_group group;
    group.add();
    ends_when_stopped([&] { CHECK(group.wait(hilo::interruptible) == status::cancelled); });
    group.done();
    hilo::event event;
    ends_when_stopped([&] { CHECK(event.wait(hilo::interruptible) == status::cancelled); });
    hilo::semaphore none(0);
    ends_when_stopped([&] { CHECK(none.acquire(hilo::interruptible) == status::cancelled); });
    ends_when_stopped([&] { CHECK_FALSE(none.try_acquire_for(1h)); });
    ends_when_stopped([&] { CHECK(hilo::sleep_for(1h) == status::cancelled); });
    hilo::mutex held;
    held.lock();
    ends_when_stopped([&] { CHECK_FALSE(held.try_lock_for(1h)); });
    held.unlock();
    hilo::shared_mutex shared;
    shared.lock();
    ends_when_stopped([&] { CHECK_FALSE(shared.try_lock_shared_for(1h)); });
    shared.unlock();
    hilo::mutex guard;
    hilo::condition_variable never;
    ends_when_stopped([&] {
      std::unique_lock lock(guard);
      CHECK(never.wait(lock, hilo::interruptible) == status::cancelled);
      CHECK(lock.owns_lock());
      CHECK(never.wait_for(lock, 1h, hilo::interruptible) == status::cancelled);
      const auto no = [] { return false; };
      CHECK(never.wait(lock, no, hilo::interruptible) == status::cancelled);
      CHECK(never.wait_for(lock, 1h, no, hilo::interruptible) == status::cancelled);
    });
    ends_when_stopped([&] {
      hilo::barrier pair(2);
      CHECK(pair.arrive_and_wait(hilo::interruptible) == status::cancelled);
    });
  });
}

TEST_CASE("stop: is sticky; what need not wait goes on") {
  on_each_runtime([] {
    hilo::channel<int> numbers(4);
    auto worker = hilo::spawn([&](std::stop_token stop) {
      CHECK(hilo::sleep_for(1h) == status::cancelled);
      CHECK(stop.stop_requested());
      CHECK(hilo::this_fiber::limit_reached() == status::cancelled);
      for (int i = 0; i < 3; ++i) CHECK(hilo::sleep_for(1h) == status::cancelled);
      CHECK(numbers.send(1) == status::ok);
      CHECK(numbers.receive() == 1);
      CHECK_FALSE(numbers.receive().has_value());
    });
    hilo::yield();
    worker.request_stop();
    worker.request_stop();
    worker.join();
  });
}

TEST_CASE("stop: locks and joins keep their promise") {
  on_each_runtime([] {
    hilo::mutex mutex;
    hilo::shared_mutex shared;
    hilo::event go;
    int guarded = 0;
    mutex.lock();
    shared.lock();
    std::vector<hilo::fiber<int>> all;
    for (int i = 0; i < 10; ++i) {
      all.push_back(hilo::spawn([&] {
        {
          const std::scoped_lock lock(mutex);
          ++guarded;
        }
        { const std::shared_lock lock(shared); }
        auto child = hilo::spawn(
            [&] { return hilo::shielded([&] { return go.wait(hilo::interruptible); }); });
        return child.join() == status::ok ? 1 : 0;
      }));
    }
    hilo::yield();
    for (auto& one : all) one.request_stop();
    hilo::yield();
    mutex.unlock();
    shared.unlock();
    hilo::yield();
    go.set();
    int joined = 0;
    for (auto& one : all) joined += one.join();
    CHECK(joined == 10);
    CHECK(guarded == 10);
  });
}

TEST_CASE("shielded: no stop request ends a wait in it, a limit inside does") {
  on_each_runtime([] {
    hilo::channel<int> numbers;
    auto worker = hilo::spawn([&] {
      CHECK(hilo::sleep_for(1h) == status::cancelled);
      hilo::shielded([&] {
        CHECK(hilo::this_fiber::limit_reached() == status::ok);
        CHECK(hilo::sleep_for(1ms) == status::ok);
        CHECK(numbers.receive() == 7);
        hilo::with_timeout(2ms, [&] { CHECK_FALSE(numbers.receive().has_value()); });
        std::optional<int> none;
        CHECK(hilo::with_timeout(2ms, [&] { return numbers.receive(none); }) == status::timed_out);
      });
      CHECK(hilo::sleep_for(1h) == status::cancelled);
    });
    hilo::yield();
    worker.request_stop();
    CHECK(numbers.send(7) == status::ok);
    worker.join();
  });
}

TEST_CASE("with_deadline: the nearest wins, inside and outside") {
  on_each_runtime([] {
    const auto start = steady::now();
    hilo::event never;
    hilo::with_timeout(1h, [&] {
      hilo::with_deadline(start + 4ms, [&] {
        hilo::with_timeout(2h,
                           [&] { CHECK(never.wait(hilo::interruptible) == status::timed_out); });
        CHECK(hilo::sleep_for(1h) == status::timed_out);
        CHECK(hilo::this_fiber::limit_reached() == status::timed_out);
        CHECK_FALSE(never.wait_for(1h));
      });
      CHECK(hilo::this_fiber::limit_reached() == status::ok);
      CHECK(hilo::sleep_for(1ms) == status::ok);
      CHECK_FALSE(never.wait_for(1ms));
    });
    CHECK(steady::now() - start >= 4ms);
    CHECK(hilo::with_timeout(1h, [] { return 5; }) == 5);
    CHECK_THROWS_AS(hilo::with_timeout(1h, [] { throw 5; }), int);
    CHECK(hilo::sleep_for(1ms) == status::ok);
  });
}

TEST_CASE("with_stop: ends waits of fibers and of kernel threads, until it returns") {
  const auto body = [] {
    hilo::event never;
    std::stop_source outer;
    std::stop_source inner;
    hilo::with_stop(outer.get_token(), [&] {
      hilo::with_stop(inner.get_token(), [&] {
        std::jthread stopper([&] { inner.request_stop(); });
        CHECK(never.wait(hilo::interruptible) == status::cancelled);
        CHECK(never.wait(hilo::interruptible) == status::cancelled);
        hilo::shielded([&] { CHECK_FALSE(never.wait_for(1ms)); });
      });
      CHECK(hilo::this_fiber::limit_reached() == status::ok);
      CHECK_FALSE(never.wait_for(1ms));
      std::jthread stopper([&] { outer.request_stop(); });
      CHECK(hilo::sleep_for(1h) == status::cancelled);
      hilo::with_stop(std::stop_token(),
                      [&] { CHECK(never.wait(hilo::interruptible) == status::cancelled); });
    });
    CHECK(hilo::sleep_for(1ms) == status::ok);
    hilo::with_stop(outer.get_token(),
                    [&] { CHECK(never.wait(hilo::interruptible) == status::cancelled); });
  };
  on_each_runtime(body);
  std::thread(body).join();
}

TEST_CASE("stop: the calls of a fork end with their fiber's limits") {
  on_each_runtime([] {
    hilo::event never;
    auto worker = hilo::spawn([&] {
      hilo::fork_join([&] { CHECK(never.wait(hilo::interruptible) == status::cancelled); },
                      [&] { CHECK(never.wait(hilo::interruptible) == status::cancelled); });
    });
    hilo::yield();
    worker.request_stop();
    worker.join();
    hilo::with_timeout(2ms, [&] {
      hilo::fork_join([&] { CHECK(never.wait(hilo::interruptible) == status::timed_out); },
                      [&] { CHECK(never.wait(hilo::interruptible) == status::timed_out); });
    });
  });
}

TEST_CASE("stop: racing with senders and deadlines, each value is received or given back") {
  on_each_runtime([] {
    constexpr int rounds = 300;
    std::minstd_rand random(std::random_device{}());
    for (int round = 0; round < rounds; ++round) {
      hilo::channel<std::unique_ptr<int>> values(round % 2);
      std::atomic<int> received{0};
      std::atomic<int> given_back{0};
      std::vector<hilo::fiber<void>> all;
      const auto patience = std::chrono::microseconds(random() % 200);
      for (int i = 0; i < 4; ++i) {
        all.push_back(hilo::spawn([&, i] {
          auto mine = std::make_unique<int>(i);
          const status end = i % 2 == 0 ? values.send(std::move(mine))
                                        : values.send_for(std::move(mine), patience);
          CHECK((end == status::ok) == (mine == nullptr));
          if (mine != nullptr) given_back.fetch_add(1, std::memory_order_relaxed);
        }));
        all.push_back(hilo::spawn([&, i] {
          std::optional<std::unique_ptr<int>> got;
          const status end = i % 2 == 0 ? values.receive(got) : values.receive_for(got, patience);
          CHECK((end == status::ok) == got.has_value());
          if (got.has_value()) received.fetch_add(1, std::memory_order_relaxed);
        }));
      }
      for (std::size_t i = random() % 4; i > 0; --i) hilo::yield();
      for (auto& one : all) one.request_stop();
      for (auto& one : all) one.join();
      int left = 0;
      std::optional<std::unique_ptr<int>> rest;
      while (values.try_receive(rest) == status::ok) ++left;
      CHECK(received.load(std::memory_order_relaxed) + left +
                given_back.load(std::memory_order_relaxed) ==
            4);
    }
  });
}

TEST_CASE(
    "condition_variable: goes as soon as all are notified, though deadlines are met just then") {
  on_each_runtime([] {
    for (int round = 0; round < 200; ++round) {
      hilo::mutex guard;
      auto ready = std::make_unique<hilo::condition_variable>();
      int waiting = 0;
      std::vector<hilo::fiber<void>> all;
      for (int i = 0; i < 6; ++i) {
        all.push_back(hilo::spawn([&] {
          std::unique_lock lock(guard);
          ++waiting;
          hilo::condition_variable& its = *ready;
          (void)its.wait_for(lock, std::chrono::microseconds(round));
        }));
      }
      while (true) {
        {
          const std::scoped_lock lock(guard);
          if (waiting == 6) break;
        }
        hilo::yield();
      }
      if (round % 3 == 0) all[0].request_stop();
      ready->notify_all();
      ready.reset();
      for (auto& one : all) one.join();
    }
  });
}

TEST_CASE("fiber: dropping the handle of one that waits without end stops it") {
  on_each_runtime([] {
    hilo::channel<int> never;
    std::vector<hilo::fiber<void>> all;
    for (int i = 0; i < 100; ++i) {
      all.push_back(hilo::spawn([&] {
        for (int n : never) FAIL(n);
      }));
    }
    hilo::yield();
    all.clear();
  });
}
