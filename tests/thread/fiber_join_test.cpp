// hilo::thread joined by fibers: the fiber parks, and its carrier goes on.
#include <atomic>
#include <chrono>
#include <vector>

#include "hilo/fiber.hpp"
#include "hilo/kernel/event.hpp"
#include "hilo/limit.hpp"
#include "hilo/runtime.hpp"
#include "hilo/thread.hpp"

#include "tests/doctest.hpp"
#include "tests/runtimes.hpp"

using namespace std::chrono_literals;

TEST_CASE("join in a fiber: it parks, and its only carrier goes on") {
  hilo::run({.carriers = 1}, [] {
    hilo::kernel::event go;
    int seen = 0;
    hilo::thread worker([&] {
      go.wait();
      seen = 7;
    });
    auto other = hilo::spawn([&] { go.set(); });  // which the thread waits for
    worker.join();
    CHECK(seen == 7);
    CHECK_FALSE(worker.joinable());
    other.join();
  });
}

TEST_CASE("join in a fiber: a dropped handle parks as well") {
  hilo::run({.carriers = 1}, [] {
    hilo::kernel::event go;
    bool ran = false;
    auto other = hilo::spawn([&] { go.set(); });
    {
      hilo::thread worker([&] {
        go.wait();
        ran = true;
      });
    }
    CHECK(ran);
    other.join();
  });
}

TEST_CASE("join in a fiber: a deadline passes while other fibers run, and a join may follow") {
  hilo::run({.carriers = 1}, [] {
    hilo::kernel::event go;
    hilo::thread worker([&] { go.wait(); });
    std::atomic<bool> stop = false;
    long turns = 0;
    auto other = hilo::spawn([&] {
      while (!stop.load(std::memory_order_relaxed)) {
        ++turns;
        hilo::yield();
      }
    });
    CHECK_FALSE(worker.join_for(20ms));
    CHECK_FALSE(worker.join_for(-5ms));
    CHECK(worker.joinable());
    CHECK(turns > 0);
    stop.store(true, std::memory_order_relaxed);
    other.join();
    go.set();
    CHECK(worker.join_for(50s));
  });
}

TEST_CASE("join in a fiber: a limit or a stop request ends a timed join, and no other") {
  hilo::run({.carriers = 1}, [] {
    hilo::kernel::event go;
    hilo::thread worker([&] { go.wait(); });
    CHECK_FALSE(hilo::with_timeout(1ms, [&] { return worker.join_for(1h); }));
    auto waiting = hilo::spawn([&] { return worker.join_for(1h); });
    hilo::yield();
    waiting.request_stop();
    CHECK_FALSE(waiting.join());
    CHECK(worker.joinable());
    auto joining = hilo::spawn([&] { hilo::with_timeout(0s, [&] { worker.join(); }); });
    joining.request_stop();
    hilo::sleep_for(1ms);
    CHECK(joining.wait_for(0s) == hilo::status::timed_out);
    go.set();
    joining.join();
    CHECK_FALSE(worker.joinable());
  });
}

TEST_CASE("join in a fiber: a thread may be detached after a deadline passed, and end alone") {
  std::atomic<int> ended = 0;
  hilo::run({.carriers = 1}, [&] {
    hilo::kernel::event go;
    hilo::thread worker([&] {
      go.wait();
      ended.store(1, std::memory_order_release);
      ended.notify_one();
    });
    CHECK_FALSE(worker.join_for(1ms));
    worker.detach();
    go.set();
    ended.wait(0, std::memory_order_acquire);
  });
  CHECK(ended.load(std::memory_order_relaxed) == 1);
}

TEST_CASE("join in a fiber: hundreds of fibers each see what their own thread did") {
  hilo::test::on_each_runtime([] {
    std::vector<hilo::fiber<int>> fibers;
    for (int i = 0; i < 200; ++i) {
      fibers.push_back(hilo::spawn([i] {
        int result = 0;
        hilo::thread mine([&result, i] { result = i; });
        if (i % 3 == 0) {
          CHECK(mine.join_for(50s));
        } else if (i % 3 == 1) {
          // Deadlines that pass about when the thread ends.
          while (!mine.join_for(std::chrono::microseconds(i))) {
          }
        } else {
          mine.join();
        }
        return result;
      }));
    }
    for (int i = 0; i < 200; ++i) CHECK(fibers[static_cast<std::size_t>(i)].join() == i);
  });
}
