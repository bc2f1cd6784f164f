// Several permits at once, and closing; events that let one through.

#include <atomic>
#include <chrono>
#include <semaphore>
#include <vector>

#include "hilo/hilo.hpp"

#include "tests/death.hpp"
#include "tests/doctest.hpp"
#include "tests/runtimes.hpp"

using hilo::interruptible;
using hilo::status;
using hilo::test::on_each_runtime;
using hilo::test::run_in_child;
using namespace std::chrono_literals;

namespace {

// Fibers that were spawned park before the caller goes on, if there is one carrier.
void let_others_park() {
  for (int i = 0; i < 10; ++i) hilo::yield();
}

constinit hilo::binary_semaphore made_at_compile_time{1};

}  // namespace

TEST_CASE("semaphore: several at once are taken together, and given back one by one") {
  on_each_runtime([] {
    hilo::counting_semaphore<8> slots(8);
    std::atomic<int> inside{0};
    std::vector<hilo::fiber<void>> all;
    for (int f = 0; f < 8; ++f) {
      all.push_back(hilo::spawn([&, want = f % 4 + 1] {
        for (int i = 0; i < 50; ++i) {
          slots.acquire(want);
          CHECK(inside.fetch_add(want, std::memory_order_relaxed) + want <= 8);
          hilo::yield();
          inside.fetch_sub(want, std::memory_order_relaxed);
          for (int k = 0; k < want; ++k) slots.release();
        }
      }));
    }
    for (auto& one : all) one.join();
    CHECK(slots.try_acquire(8));
    CHECK_FALSE(slots.try_acquire());
    CHECK(slots.try_acquire(0));
    slots.release(8);
    CHECK_FALSE(slots.try_acquire(9));
    CHECK_FALSE(slots.try_acquire_for(1ms, 9));
    CHECK(slots.try_acquire_for(1ms, 8));
  });
  CHECK(made_at_compile_time.try_acquire());
  made_at_compile_time.release();
}

TEST_CASE("semaphore: who wants many is not overtaken by callers that want few") {
  hilo::run({.carriers = 1}, [] {
    hilo::semaphore slots(2);
    std::vector<int> order;
    auto many = hilo::spawn([&] {
      slots.acquire(3);
      order.push_back(3);
      slots.release(3);
    });
    let_others_park();
    CHECK_FALSE(slots.try_acquire());
    CHECK_FALSE(slots.try_acquire_for(0ms));
    auto few = hilo::spawn([&] {
      slots.acquire();
      order.push_back(1);
    });
    let_others_park();
    CHECK(order.empty());
    slots.release();
    many.join();
    few.join();
    CHECK(order == std::vector<int>{3, 1});
  });
}

TEST_CASE("semaphore: one that gives up lets those behind it in") {
  hilo::run({.carriers = 1}, [] {
    hilo::semaphore slots(2);
    auto many = hilo::spawn([&] { CHECK(slots.acquire(3, interruptible) == status::cancelled); });
    let_others_park();
    auto few = hilo::spawn([&] { slots.acquire(2); });
    let_others_park();
    many.request_stop();
    many.join();
    few.join();
  });
}

TEST_CASE("semaphore: close ends the waits, and nothing can be taken any more") {
  on_each_runtime([] {
    hilo::semaphore slots(1);
    std::vector<hilo::fiber<void>> all;
    for (int i = 0; i < 4; ++i) {
      all.push_back(hilo::spawn([&, i] {
        if (i % 2 == 0) CHECK(slots.acquire(2 + i, interruptible) == status::closed);
        if (i % 2 != 0) CHECK_FALSE(slots.try_acquire_for(1h, 2 + i));
      }));
    }
    let_others_park();
    slots.close();
    slots.close();
    for (auto& one : all) one.join();
    CHECK(slots.acquire(interruptible) == status::closed);
    CHECK_FALSE(slots.try_acquire());
    CHECK_FALSE(slots.try_acquire_for(1h));
    slots.release();
    CHECK_FALSE(slots.try_acquire());
  });
}

TEST_CASE("semaphore: misuse aborts with a line that names it") {
  CHECK(run_in_child([] {
          hilo::semaphore closed(1);
          closed.close();
          closed.acquire();
        }).aborted_with("hilo: acquire of a closed semaphore"));
  CHECK(run_in_child([] {
          hilo::run({.carriers = 1}, [] {
            hilo::semaphore slots(0);
            auto waits = hilo::spawn([&] { slots.acquire(); });
            let_others_park();
            slots.close();
            waits.join();
          });
        }).aborted_with("hilo: acquire of a closed semaphore"));
  CHECK(run_in_child([] {
          hilo::semaphore slots(1);
          slots.acquire(-1);
        }).aborted_with("hilo: -1 of a semaphore are acquired; it cannot be negative"));
  CHECK(run_in_child([] {
          hilo::semaphore slots(1);
          slots.release(-1);
        }).aborted_with("hilo: a semaphore is released -1 times"));
  CHECK(run_in_child([] {
          hilo::semaphore slots(1);
          slots.release(hilo::semaphore::max());
        }).aborted_with("hilo: a semaphore is released beyond its maximum"));
}

TEST_CASE("auto_reset_event: each set lets exactly one through") {
  on_each_runtime([] {
    hilo::auto_reset_event turn;
    std::atomic<int> through{0};
    std::vector<hilo::fiber<void>> all;
    for (int i = 0; i < 6; ++i) {
      all.push_back(hilo::spawn([&] {
        turn.wait();
        through.fetch_add(1, std::memory_order_relaxed);
      }));
    }
    for (int i = 1; i <= 6; ++i) {
      turn.set();
      while (through.load(std::memory_order_relaxed) != i) hilo::yield();
    }
    for (auto& one : all) one.join();
    CHECK_FALSE(turn.try_wait());
    CHECK_FALSE(turn.wait_for(1ms));
    turn.set();
    turn.set();
    CHECK(turn.wait_for(0ms));
    CHECK_FALSE(turn.try_wait());
    turn.set();
    turn.reset();
    CHECK_FALSE(turn.try_wait());
    auto stopped = hilo::spawn([&] { CHECK(turn.wait(interruptible) == status::cancelled); });
    stopped.request_stop();
    stopped.join();
    hilo::auto_reset_event set(true);
    set.wait();
    CHECK_FALSE(set.try_wait());
  });
  hilo::run({.carriers = 1}, [] {
    hilo::auto_reset_event turn;
    std::vector<int> order;
    std::vector<hilo::fiber<void>> all;
    for (int i = 0; i < 6; ++i) {
      all.push_back(hilo::spawn([&, i] {
        turn.wait();
        order.push_back(i);
      }));
      let_others_park();  // so each began to wait before the next
    }
    all[2].request_stop();  // does not end such a wait, nor cost it its place
    for (int i = 0; i < 6; ++i) {
      turn.set();
      let_others_park();
    }
    for (auto& one : all) one.join();
    CHECK(order == std::vector<int>{0, 1, 2, 3, 4, 5});
  });
  CHECK(run_in_child([] {
          hilo::run({.carriers = 1}, [] {
            auto waits = [] {
              hilo::auto_reset_event never;
              auto one = hilo::spawn([&] { never.wait(); });
              let_others_park();
              one.detach();
            };
            waits();
          });
        }).aborted_with("hilo: an auto_reset_event is destroyed while somebody waits on it"));
}
