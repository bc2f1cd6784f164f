#include "hilo/mutex.hpp"

#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <thread>
#include <vector>

#include "hilo/hilo.hpp"

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

TEST_CASE("mutex: waiters get it in the order in which they came, though they lose to the holder") {
  hilo::run({.carriers = 1}, [] {
    constexpr int waiters = 6;
    hilo::mutex guard;
    std::vector<int> order;
    std::vector<hilo::fiber<void>> all;
    guard.lock();
    for (int i = 0; i < waiters; ++i) {
      all.push_back(hilo::spawn([&, i] {
        const std::scoped_lock lock(guard);
        order.push_back(i);
      }));
      hilo::yield();
    }
    // Each unlock wakes one, which finds the mutex taken again.
    for (int i = 0; i < 3 * waiters; ++i) {
      guard.unlock();
      guard.lock();
      hilo::yield();
    }
    guard.unlock();
    for (auto& one : all) one.join();
    CHECK(order == std::vector<int>{0, 1, 2, 3, 4, 5});
  });
}

namespace {

// A kernel thread aborts with this message, and so does a fiber.
template <class F>
void both_abort(const F& body, const char* message) {
  using hilo::test::run_in_child;
  CHECK(run_in_child(body).aborted_with(message));
  CHECK(run_in_child([&] { hilo::run({.carriers = 1}, body); }).aborted_with(message));
  CHECK(run_in_child([&] { hilo::run({.carriers = 2}, body); }).aborted_with(message));
}

}  // namespace

TEST_CASE("mutex: misuse by a fiber or thread is one line and an abort, never a hang") {
  using hilo::test::run_in_child;
  constexpr const char* relock = "hilo: lock of a mutex that the caller holds already";
  constexpr const char* foreign = "hilo: unlock of a mutex that another fiber or thread holds";
  both_abort(
      [] {
        hilo::mutex guard;
        guard.lock();
        guard.lock();
      },
      relock);
  both_abort(
      [] {
        hilo::mutex guard;
        guard.lock();
        (void)guard.try_lock_for(std::chrono::hours::max());
      },
      relock);
  both_abort(
      [] {
        hilo::mutex guard;
        guard.lock();
        std::thread([&] { guard.unlock(); }).join();
      },
      foreign);
  both_abort(
      [] {
        hilo::mutex guard;
        hilo::condition_variable changed;
        changed.wait(guard);
      },
      "hilo: unlock of a mutex that is not locked");
  CHECK(run_in_child([] {
          hilo::run([] {
            hilo::mutex guard;
            guard.lock();
            hilo::spawn([&] { guard.unlock(); }).join();
          });
        }).aborted_with(foreign));
  CHECK(run_in_child([] {
          hilo::recursive_mutex guard_of_another;
          guard_of_another.lock();
          std::thread([&] { guard_of_another.unlock(); }).join();
        }).aborted_with("hilo: unlock of a recursive_mutex that the caller does not hold"));
  CHECK(run_in_child([] {
          hilo::once_flag flag;
          hilo::call_once(flag, [&] { hilo::call_once(flag, [] {}); });
        }).aborted_with(relock));
  hilo::mutex guard;
  guard.lock();
  CHECK_FALSE(guard.try_lock_for(std::chrono::milliseconds(1)));
  guard.unlock();
}

TEST_CASE("shared_mutex: misuse by a fiber or thread is one line and an abort, never a hang") {
  using hilo::test::run_in_child;
  both_abort(
      [] {
        hilo::shared_mutex guard;
        guard.lock();
        guard.lock();
      },
      "hilo: lock of a shared_mutex that the caller holds for writing already");
  both_abort(
      [] {
        hilo::shared_mutex guard;
        guard.lock();
        guard.lock_shared();
      },
      "hilo: lock_shared of a shared_mutex that the caller holds for writing already");
  both_abort(
      [] {
        hilo::shared_mutex guard;
        guard.lock();
        std::thread([&] { guard.unlock(); }).join();
      },
      "hilo: unlock of a shared_mutex that another fiber or thread holds");
  // Also where it was handed over.
  CHECK(run_in_child([] {
          hilo::run({.carriers = 1}, [] {
            hilo::shared_mutex guard;
            guard.lock();
            auto next = hilo::spawn([&] {
              guard.lock();
              guard.lock();
            });
            hilo::yield();
            guard.unlock();
            next.join();
          });
        }).aborted_with("hilo: lock of a shared_mutex that the caller holds for writing already"));
  for (const bool shared : {false, true}) {
    CHECK(run_in_child([&] {
            hilo::shared_mutex guard;
            if (shared) guard.lock_shared();
            guard.unlock();
          }).aborted_with("hilo: unlock of a shared_mutex that is not locked exclusively"));
  }
  hilo::shared_mutex guard;
  guard.lock();
  CHECK_FALSE(guard.try_lock_for(std::chrono::milliseconds(1)));
  CHECK_FALSE(guard.try_lock_shared_for(std::chrono::milliseconds(1)));
  guard.unlock();
}

namespace {

// A fiber aborts with this message, whatever the number of carriers.
void fiber_aborts(const std::function<void()>& body, const std::string& message) {
  for (const unsigned carriers : {1U, 2U, 4U}) {
    CAPTURE(carriers);
    const auto end = hilo::test::run_in_child(
        [&] { hilo::run(hilo::runtime_options{.carriers = carriers}, body); });
    CAPTURE(end.describe());
    CHECK(end.aborted_with("hilo: " + message + "\n"));
  }
}

}  // namespace

TEST_CASE("recursive_mutex: an unlock by another, or once too often, is one line and an abort") {
  constexpr const char* not_held = "unlock of a recursive_mutex that the caller does not hold";
  const auto too_often = [] {
    hilo::recursive_mutex guard;
    for (int i = 0; i < 3; ++i) guard.lock();
    for (int i = 0; i < 4; ++i) guard.unlock();
  };
  CHECK(hilo::test::run_in_child(too_often).aborted_with(not_held));
  fiber_aborts(too_often, not_held);
  fiber_aborts([] { hilo::recursive_mutex().unlock(); }, not_held);
  fiber_aborts(
      [] {
        hilo::recursive_mutex guard;
        guard.lock();
        hilo::spawn([&] { guard.unlock(); }).join();
      },
      not_held);
  // By one that waits for it, beside another that does, and in a call of hilo::blocking.
  fiber_aborts(
      [] {
        hilo::recursive_mutex guard;
        guard.lock();
        auto waiting = hilo::spawn([&] { guard.lock(); });
        hilo::spawn([&] {
          (void)guard.try_lock_for(std::chrono::milliseconds(1));
          guard.unlock();
        }).join();
      },
      not_held);
  fiber_aborts(
      [] {
        hilo::recursive_mutex guard;
        guard.lock();
        hilo::spawn([&] { hilo::blocking([&] { guard.unlock(); }); }).join();
      },
      not_held);
}

TEST_CASE("shared_mutex: unlock_shared without a reader is one line and an abort") {
  constexpr const char* not_shared = "unlock of a shared_mutex that is not locked shared";
  for (const int held : {0, 1, 2}) {
    CAPTURE(held);
    // Free, held by a writer, and given up once more than it was taken.
    const auto misuse = [held] {
      hilo::shared_mutex guard;
      if (held == 1) guard.lock();
      if (held == 2) {
        guard.lock_shared();
        guard.lock_shared();
        guard.unlock_shared();
        guard.unlock_shared();
      }
      guard.unlock_shared();
    };
    CHECK(hilo::test::run_in_child(misuse).aborted_with(not_shared));
    fiber_aborts(misuse, not_shared);
  }
  // While readers and writers wait for the writer.
  fiber_aborts(
      [] {
        hilo::shared_mutex guard;
        guard.lock();
        auto reader = hilo::spawn([&] { guard.lock_shared(); });
        auto writer = hilo::spawn([&] { guard.lock(); });
        for (int i = 0; i < 3; ++i) hilo::yield();
        guard.unlock_shared();
      },
      not_shared);
}

TEST_CASE("mutex: its holder is the fiber, also on another carrier and on a spare") {
  on_each_runtime([] {
    hilo::mutex guard;
    hilo::shared_mutex shared;
    std::vector<hilo::fiber<void>> all;
    for (int f = 0; f < 8; ++f) {
      all.push_back(hilo::spawn([&, f] {
        for (int i = 0; i < 50; ++i) {
          std::unique_lock lock(guard);
          std::unique_lock exclusive(shared);
          hilo::yield();
          if (f == 0 && i % 10 == 0) {
            hilo::blocking([&] {
              exclusive.unlock();
              lock.unlock();
            });
          }
        }
      }));
    }
    for (auto& one : all) one.join();
  });
}

TEST_CASE("recursive_mutex: its holder takes it again and gives it up inside hilo::blocking") {
  on_each_runtime([] {
    hilo::recursive_mutex guard;
    guard.lock();
    hilo::blocking([&] {
      guard.lock();
      CHECK(guard.try_lock());
      CHECK(guard.try_lock_for(std::chrono::milliseconds(1)));
      std::thread([&] { CHECK_FALSE(guard.try_lock()); }).join();
      for (int i = 0; i < 3; ++i) guard.unlock();
    });
    hilo::spawn([&] { CHECK_FALSE(guard.try_lock()); }).join();
    hilo::blocking([&] { guard.unlock(); });
    hilo::spawn([&] {
      CHECK(guard.try_lock());
      guard.unlock();
    }).join();
    hilo::blocking([&] { guard.lock(); });  // for the fiber
    CHECK(guard.try_lock());
    guard.unlock();
    guard.unlock();
  });
}

TEST_CASE("shared_mutex: waiters get it in the order of arrival, neighbouring readers together") {
  hilo::run({.carriers = 1}, [] {
    hilo::shared_mutex guard;
    std::string order;
    int readers = 0;
    const auto read = [&] {
      const std::shared_lock lock(guard);
      ++readers;
      order += 'r';
      hilo::yield();
      order += readers == 2 ? '2' : '1';
      hilo::yield();
      --readers;
    };
    const auto write = [&] {
      const std::scoped_lock lock(guard);
      order += 'w';
      CHECK(readers == 0);
    };
    std::vector<hilo::fiber<void>> all;
    guard.lock();
    const auto queue = [&](auto body) {
      all.push_back(hilo::spawn(body));
      hilo::yield();
    };
    queue(read);
    queue(read);
    queue(write);
    queue(read);
    queue(write);
    guard.unlock();
    for (auto& one : all) one.join();
    CHECK(order == "rr22wr1w");
  });
}

TEST_CASE("recursive_mutex: an endless timed lock is ended by a stop request or a limit") {
  on_each_runtime([] {
    hilo::recursive_mutex guard;
    guard.lock();
    auto waits = hilo::spawn([&] {
      CHECK_FALSE(guard.try_lock_for(std::chrono::hours::max()));
      CHECK_FALSE(guard.try_lock_until(std::chrono::steady_clock::time_point::max()));
    });
    waits.request_stop();
    waits.join();
    hilo::spawn([&] {
      hilo::with_timeout(std::chrono::milliseconds(1),
                         [&] { CHECK_FALSE(guard.try_lock_for(std::chrono::nanoseconds::max())); });
    }).join();
    guard.unlock();
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
