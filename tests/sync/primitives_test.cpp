#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <stdexcept>
#include <thread>
#include <vector>

#include "hilo/hilo.hpp"

#include "tests/death.hpp"
#include "tests/doctest.hpp"
#include "tests/runtimes.hpp"

using hilo::test::on_each_runtime;
using hilo::test::run_in_child;
using namespace std::chrono_literals;

namespace {

// Runs body(i) in `fibers` fibers and two kernel threads at once.
template <class F>
void crowd(int fibers, F body) {
  std::vector<hilo::fiber<void>> all;
  for (int i = 0; i < fibers; ++i) all.push_back(hilo::spawn(body, i));
  std::thread one(body, fibers);
  hilo::thread other(body, fibers + 1);
  for (auto& each : all) each.join();
  one.join();
  other.join();
}

}  // namespace

TEST_CASE("recursive_mutex: its holder takes it again, also after moving to another carrier") {
  on_each_runtime([] {
    hilo::recursive_mutex guard;
    int shared = 0;
    crowd(6, [&](int) {
      for (int i = 0; i < 100; ++i) {
        guard.lock();
        const int before = shared;
        hilo::yield();
        CHECK(guard.try_lock());
        guard.lock();
        CHECK(guard.try_lock_for(1ms));
        shared = before + 1;
        for (int k = 0; k < 4; ++k) guard.unlock();
      }
    });
    CHECK(shared == 800);
  });
  CHECK(run_in_child([] {
          hilo::recursive_mutex guard;
          guard.unlock();
        }).aborted_with("hilo: unlock of a recursive_mutex that the caller does not hold"));
}

TEST_CASE("shared_mutex: readers share, a writer is alone") {
  on_each_runtime([] {
    hilo::shared_mutex guard;
    std::atomic<int> readers{0};
    std::atomic<int> writers{0};
    int written = 0;
    crowd(8, [&](int who) {
      for (int i = 0; i < 200; ++i) {
        if ((who + i) % 4 == 0) {
          const std::scoped_lock lock(guard);
          REQUIRE(writers.fetch_add(1, std::memory_order_relaxed) == 0);
          REQUIRE(readers.load(std::memory_order_relaxed) == 0);
          const int before = written;
          if (i % 3 == 0) hilo::yield();
          written = before + 1;
          writers.fetch_sub(1, std::memory_order_relaxed);
        } else {
          const std::shared_lock lock(guard);
          readers.fetch_add(1, std::memory_order_relaxed);
          REQUIRE(writers.load(std::memory_order_relaxed) == 0);
          if (i % 3 == 0) hilo::yield();
          readers.fetch_sub(1, std::memory_order_relaxed);
        }
      }
    });
    CHECK(written == 10 * 200 / 4);
    CHECK(guard.try_lock());
    CHECK_FALSE(guard.try_lock_shared());
    guard.unlock();
    // In a crowd each reader may be done before the next one comes.
    guard.lock_shared();
    hilo::spawn([&] {
      const std::shared_lock second(guard);
      CHECK_FALSE(guard.try_lock());
    }).join();
    guard.unlock_shared();
    CHECK(guard.try_lock());
    guard.unlock();
  });
}

TEST_CASE("shared_mutex: a waiting writer stops new readers, and lets them go on if it gives up") {
  on_each_runtime([] {
    hilo::shared_mutex guard;
    guard.lock_shared();
    std::atomic<bool> kept_out{false};
    auto writer = hilo::spawn([&] {
      do {
        CHECK_FALSE(guard.try_lock_for(20ms));  // we still read
      } while (!kept_out.load(std::memory_order_relaxed));
    });
    while (guard.try_lock_shared()) {  // until the writer is in the queue
      guard.unlock_shared();
      hilo::yield();
    }
    kept_out.store(true, std::memory_order_relaxed);
    auto late_reader = hilo::spawn([&] {
      guard.lock_shared();
      guard.unlock_shared();
    });
    writer.join();
    late_reader.join();  // since the writer left
    guard.unlock_shared();
  });
}

TEST_CASE("shared_mutex: giving up what is not held aborts") {
  CHECK(run_in_child([] {
          hilo::shared_mutex guard;
          guard.unlock();
        }).aborted_with("hilo: unlock of a shared_mutex that is not locked exclusively"));
  CHECK(run_in_child([] {
          hilo::shared_mutex guard;
          guard.unlock_shared();
        }).aborted_with("hilo: unlock of a shared_mutex that is not locked shared"));
}

TEST_CASE("condition_variable: a bounded queue of identified items") {
  on_each_runtime([] {
    constexpr int each = 500;
    hilo::mutex guard;
    hilo::condition_variable not_full;
    hilo::condition_variable not_empty;
    std::vector<int> queue;
    std::vector<int> seen(each * 5, 0);
    int left = each * 5;
    crowd(8, [&](int who) {
      if (who % 2 == 0) {
        for (int i = 0; i < each; ++i) {
          std::unique_lock lock(guard);
          not_full.wait(lock, [&] { return queue.size() < 3; });
          queue.push_back(who / 2 * each + i);
          not_empty.notify_one();
        }
      } else {
        while (true) {
          std::unique_lock lock(guard);
          not_empty.wait(lock, [&] { return !queue.empty() || left == 0; });
          if (queue.empty()) return;
          ++seen[static_cast<std::size_t>(queue.back())];
          queue.pop_back();
          if (--left == 0) not_empty.notify_all();
          not_full.notify_one();
        }
      }
    });
    CHECK(seen == std::vector<int>(each * 5, 1));
  });
}

TEST_CASE("semaphore: never more inside than it counts, first come, first served") {
  on_each_runtime([] {
    hilo::semaphore slots(3);
    std::atomic<int> inside{0};
    crowd(10, [&](int) {
      for (int i = 0; i < 100; ++i) {
        slots.acquire();
        CHECK(inside.fetch_add(1, std::memory_order_relaxed) < 3);
        if (i % 5 == 0) hilo::yield();
        inside.fetch_sub(1, std::memory_order_relaxed);
        slots.release();
      }
    });
    for (int i = 0; i < 3; ++i) CHECK(slots.try_acquire());
    CHECK_FALSE(slots.try_acquire());
    slots.release(3);
  });
  CHECK(run_in_child([] { hilo::semaphore one(-1); }).aborted_with("a count of -1"));
}

TEST_CASE("semaphore: one release of many wakes as many") {
  on_each_runtime([] {
    hilo::semaphore none(0);
    std::vector<hilo::fiber<void>> all;
    for (int i = 0; i < 20; ++i) all.push_back(hilo::spawn([&] { none.acquire(); }));
    hilo::sleep_for(1ms);
    none.release(25);
    for (auto& one : all) one.join();
    for (int i = 0; i < 5; ++i) CHECK(none.try_acquire());
    CHECK_FALSE(none.try_acquire());
  });
}

TEST_CASE("latch, wait_group, event: open for all that wait and come later") {
  on_each_runtime([] {
    hilo::latch start(1);
    hilo::wait_group jobs;
    hilo::event finished;
    std::atomic<int> sum{0};
    for (int i = 1; i <= 50; ++i) {
      jobs.add();
      hilo::spawn([&, i] {
        start.wait();
        sum.fetch_add(i, std::memory_order_relaxed);
        jobs.done();
      }).detach();
    }
    CHECK_FALSE(start.try_wait());
    auto watcher = hilo::spawn([&] {
      jobs.wait();
      finished.set();
      return sum.load(std::memory_order_relaxed);
    });
    start.count_down();
    std::thread outside([&] { finished.wait(); });
    finished.wait();
    outside.join();
    CHECK(watcher.join() == 50 * 51 / 2);
    CHECK(finished.is_set());
    finished.reset();
    CHECK_FALSE(finished.is_set());
    jobs.wait();
  });
  CHECK(run_in_child([] {
          hilo::wait_group jobs;
          jobs.done();
        }).aborted_with("hilo: a wait_group is counted below 0"));
}

TEST_CASE("barrier: nobody enters a round before all ended the last, and some may drop out") {
  on_each_runtime([] {
    constexpr int rounds = 50;
    int completed = 0;
    hilo::barrier line(10, [&] { ++completed; });
    std::vector<std::atomic<int>> arrived(rounds);
    crowd(8, [&](int who) {
      for (int r = 0; r < rounds; ++r) {
        if (who == 0 && r == rounds / 2) return line.arrive_and_drop();
        arrived[static_cast<std::size_t>(r)].fetch_add(1, std::memory_order_relaxed);
        line.arrive_and_wait();
        const int expected = r < rounds / 2 ? 10 : 9;
        CHECK(arrived[static_cast<std::size_t>(r)].load(std::memory_order_relaxed) == expected);
        CHECK(completed >= r + 1);
      }
    });
    CHECK(completed == rounds);
  });
}

TEST_CASE("call_once: one call returns, all see what it did, a throw lets the next try") {
  on_each_runtime([] {
    hilo::once_flag flag;
    int tries = 0;
    int made = 0;
    std::atomic<int> threw{0};
    crowd(10, [&](int) {
      try {
        hilo::call_once(flag, [&] {
          hilo::yield();
          if (++tries < 3) throw std::runtime_error("not yet");
          made = 7;
        });
        CHECK(made == 7);
      } catch (const std::runtime_error&) {
        threw.fetch_add(1, std::memory_order_relaxed);
      }
    });
    CHECK(tries == 3);
    CHECK(threw.load(std::memory_order_relaxed) == 2);
  });
}

TEST_CASE("mutex: may be destroyed by who takes it last") {
  on_each_runtime([] {
    struct counted {
      hilo::mutex guard;
      int references = 8;
    };
    for (int round = 0; round < 100; ++round) {
      auto* shared = new counted;
      crowd(6, [shared](int) {
        shared->guard.lock();
        const bool last = --shared->references == 0;
        shared->guard.unlock();
        if (last) delete shared;
      });
    }
  });
}
