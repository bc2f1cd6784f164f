// Waiting on the kernel floor: condition_variable, semaphore, latch, barrier, once, event.
#include <array>
#include <atomic>
#include <chrono>
#include <deque>
#include <memory>
#include <mutex>
#include <set>
#include <stdexcept>

#include "hilo/kernel.hpp"

#include "tests/doctest.hpp"
#include "tests/kernel/crews.hpp"

using namespace std::chrono_literals;
using hilo::test::rounds;
using hilo::test::with_crew;
using hilo::test::with_each_size;
namespace kernel = hilo::kernel;

TEST_CASE("kernel condition_variable: a queue hands each item over exactly once") {
  with_each_size([](int pairs) {
    kernel::mutex mutex;
    kernel::condition_variable not_empty, not_full;
    std::deque<int> queue;
    std::multiset<int> taken;
    const int each = rounds(4'000);
    with_crew(2 * pairs, [&](int me) {
      for (int i = 0; i < each; ++i) {
        std::unique_lock lock(mutex);
        if (me < pairs) {
          not_full.wait(lock, [&] { return queue.size() < 4; });
          queue.push_back(me * each + i);
          lock.unlock();
          not_empty.notify_one();
        } else {
          not_empty.wait(lock, [&] { return !queue.empty(); });
          taken.insert(queue.front());
          queue.pop_front();
          lock.unlock();
          not_full.notify_one();
        }
      }
    });
    CHECK(taken.size() == static_cast<std::size_t>(pairs * each));
    CHECK(std::set<int>(taken.begin(), taken.end()).size() == taken.size());
  });
}

TEST_CASE("kernel condition_variable: notify_all wakes all, also those with deadlines") {
  with_each_size([](int threads) {
    for (int round = 0; round < rounds(200); ++round) {
      std::mutex mutex;  // any lock will do
      auto changed = std::make_unique<kernel::condition_variable>();
      bool go = false;
      kernel::latch waiting(threads);
      std::atomic<int> seen = 0;
      hilo::thread notifier([&] {
        waiting.wait();
        const std::scoped_lock lock(mutex);
        go = true;
        changed->notify_all();
      });
      with_crew(threads, [&](int me) {
        std::unique_lock lock(mutex);
        waiting.count_down();
        const auto gone = [&] { return go; };
        if (me % 2 == 0) {
          changed->wait(lock, gone);
          seen.fetch_add(1, std::memory_order_relaxed);
        } else if (changed->wait_for(lock, 1h, gone)) {
          seen.fetch_add(1, std::memory_order_relaxed);
        }
      });
      notifier.join();
      CHECK(seen.load(std::memory_order_relaxed) == threads);
    }
  });
}

TEST_CASE("kernel condition_variable: a wait times out with the lock held, on either clock") {
  kernel::mutex mutex;
  kernel::condition_variable never;
  std::unique_lock lock(mutex);
  const auto start = std::chrono::steady_clock::now();
  CHECK_FALSE(never.wait_for(lock, 5ms, [] { return false; }));
  CHECK_FALSE(never.wait_until(lock, std::chrono::system_clock::now() + 5ms, [] { return false; }));
  CHECK(never.wait_until(lock, start) == std::cv_status::timeout);
  CHECK(std::chrono::steady_clock::now() - start >= 10ms);
  CHECK(lock.owns_lock());
  CHECK_FALSE(mutex.try_lock());
}

TEST_CASE("kernel semaphore: no more inside than permits, and every permit comes back") {
  with_each_size([](int threads) {
    kernel::counting_semaphore<8> slots(2);
    std::atomic<int> inside = 0, most = 0, acquired = 0;
    with_crew(threads, [&](int me) {
      for (int i = 0; i < rounds(5'000); ++i) {
        if (me % 3 != 2) {
          slots.acquire();
        } else if (!slots.try_acquire_for(std::chrono::microseconds(i % 50))) {
          continue;
        }
        acquired.fetch_add(1, std::memory_order_relaxed);
        const int now = inside.fetch_add(1, std::memory_order_relaxed) + 1;
        int before = most.load(std::memory_order_relaxed);
        while (before < now && !most.compare_exchange_weak(before, now, std::memory_order_relaxed,
                                                           std::memory_order_relaxed)) {
        }
        inside.fetch_sub(1, std::memory_order_relaxed);
        slots.release();
      }
    });
    CHECK(most.load(std::memory_order_relaxed) <= 2);
    CHECK(slots.try_acquire());
    CHECK(slots.try_acquire());
    CHECK_FALSE(slots.try_acquire());
  });
}

TEST_CASE("kernel semaphore: one release of many permits wakes as many") {
  with_each_size([](int threads) {
    for (int round = 0; round < rounds(500); ++round) {
      kernel::counting_semaphore<> permits(0);
      hilo::thread giver([&] { permits.release(threads); });
      with_crew(threads, [&](int) { permits.acquire(); });
      giver.join();
      CHECK_FALSE(permits.try_acquire());
    }
  });
}

TEST_CASE("kernel semaphore: who gets the permit may destroy it") {
  for (int i = 0; i < rounds(2'000); ++i) {
    auto done = std::make_unique<kernel::binary_semaphore>(0);
    hilo::thread giver([&, it = done.get()] { it->release(); });
    done->acquire();
    done.reset();
    giver.join();
  }
}

TEST_CASE("kernel latch: opens for all when the last has counted down") {
  with_each_size([](int threads) {
    for (int round = 0; round < rounds(300); ++round) {
      kernel::latch all(threads);
      std::atomic<int> arrived = 0, wrong = 0;
      with_crew(threads, [&](int me) {
        arrived.fetch_add(1, std::memory_order_relaxed);
        if (me % 2 == 0) {
          all.arrive_and_wait();
        } else {
          all.count_down();
          if (!all.wait_for(1h)) wrong.fetch_add(1, std::memory_order_relaxed);
        }
        if (arrived.load(std::memory_order_relaxed) != threads) {
          wrong.fetch_add(1, std::memory_order_relaxed);
        }
      });
      CHECK(wrong.load(std::memory_order_relaxed) == 0);
      CHECK(all.try_wait());
    }
  });
  const kernel::latch closed(1);
  CHECK_FALSE(closed.try_wait());
  CHECK_FALSE(closed.wait_for(2ms));
}

TEST_CASE("kernel barrier: nobody is a phase ahead, and the completion runs once between phases") {
  with_each_size([](int threads) {
    const int phases = rounds(1'000);
    std::vector<int> progress(static_cast<std::size_t>(threads), 0);
    int completions = 0;
    std::atomic<int> wrong = 0;
    kernel::barrier step(threads, [&]() noexcept {
      ++completions;
      for (const int each : progress) {
        if (each != completions) wrong.fetch_add(1, std::memory_order_relaxed);
      }
    });
    with_crew(threads, [&](int me) {
      for (int phase = 1; phase <= phases; ++phase) {
        progress[static_cast<std::size_t>(me)] = phase;
        // The next completion needs this thread, so none can run while it looks.
        step.wait(step.arrive());
        if (completions != phase) wrong.fetch_add(1, std::memory_order_relaxed);
      }
    });
    CHECK(completions == phases);
    CHECK(wrong.load(std::memory_order_relaxed) == 0);
  });
}

TEST_CASE("kernel barrier: those that drop out are not waited for") {
  kernel::barrier step(4);
  std::atomic<int> steps = 0;
  with_crew(4, [&](int me) {
    for (int i = 0; i < me; ++i) {
      step.arrive_and_wait();
      steps.fetch_add(1, std::memory_order_relaxed);
    }
    step.arrive_and_drop();
  });
  CHECK(steps.load(std::memory_order_relaxed) == 0 + 1 + 2 + 3);
}

TEST_CASE("kernel once: runs once, and everybody sees what it did") {
  with_each_size([](int threads) {
    for (int round = 0; round < rounds(300); ++round) {
      kernel::once loaded;
      int value = 0;
      std::atomic<int> wrong = 0;
      with_crew(threads, [&](int) {
        loaded.call([&](int add) { value += add; }, 7);
        if (value != 7) wrong.fetch_add(1, std::memory_order_relaxed);
      });
      CHECK(wrong.load(std::memory_order_relaxed) == 0);
      CHECK(loaded.done());
    }
  });
}

TEST_CASE("kernel once: an exception goes to its caller, and the next one tries again") {
  with_each_size([](int threads) {
    kernel::once loaded;
    std::atomic<int> attempts = 0, thrown = 0;
    with_crew(threads, [&](int) {
      try {
        loaded.call([&] {
          if (attempts.fetch_add(1, std::memory_order_relaxed) < threads - 1) {
            throw std::runtime_error("not yet");
          }
        });
      } catch (const std::runtime_error&) {
        thrown.fetch_add(1, std::memory_order_relaxed);
      }
    });
    CHECK(attempts.load(std::memory_order_relaxed) == threads);
    CHECK(thrown.load(std::memory_order_relaxed) == threads - 1);
    CHECK(loaded.done());
  });
}

TEST_CASE("kernel event: all waits return once it is set, and wait again after a reset") {
  with_each_size([](int threads) {
    for (int round = 0; round < rounds(300); ++round) {
      kernel::event happened;
      int data = 0;
      std::atomic<int> wrong = 0;
      hilo::thread setter([&] {
        data = 5;
        happened.set();
      });
      with_crew(threads, [&](int me) {
        if (me % 2 == 0) {
          happened.wait();
        } else if (!happened.wait_for(1h)) {
          wrong.fetch_add(1, std::memory_order_relaxed);
        }
        if (data != 5) wrong.fetch_add(1, std::memory_order_relaxed);
      });
      setter.join();
      CHECK(wrong.load(std::memory_order_relaxed) == 0);
      CHECK(happened.is_set());
      happened.reset();
      CHECK_FALSE(happened.wait_for(100us));
    }
  });
}
