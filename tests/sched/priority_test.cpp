// Priorities and pinned fibers.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include <sys/syscall.h>
#include <unistd.h>

#include "hilo/blocking.hpp"
#include "hilo/channel.hpp"
#include "hilo/fiber.hpp"
#include "hilo/latch.hpp"
#include "hilo/runtime.hpp"

#include "tests/death.hpp"
#include "tests/doctest.hpp"
#include "tests/runtimes.hpp"

using namespace std::chrono_literals;
using hilo::priority;
using hilo::runtime_options;
using hilo::spawn_options;

namespace {

long carrier() {
  return ::syscall(SYS_gettid);
}

}  // namespace

TEST_CASE("priority: high runs before normal, and normal before idle") {
  hilo::run(runtime_options{.carriers = 1}, [] {
    std::string order;
    std::vector<hilo::fiber<void>> all;
    for (int i = 0; i < 3; ++i) {
      for (const priority urgency : {priority::idle, priority::normal, priority::high}) {
        all.push_back(hilo::spawn(spawn_options{.urgency = urgency}, [&order, urgency] {
          order += urgency == priority::high ? 'h' : urgency == priority::normal ? 'n' : 'i';
        }));
      }
    }
    for (auto& one : all) one.join();
    CHECK(order == "hhhnnniii");
  });
}

TEST_CASE("priority: at most 16 turns of high fibers in a row, and an idle one's of 512 at least") {
  hilo::run(runtime_options{.carriers = 1}, [] {
    std::string order;
    bool stop = false;
    const auto takes_turns = [&](char name) {
      return [&, name] {
        while (!stop) {
          order += name;
          hilo::yield();
        }
      };
    };
    std::vector<hilo::fiber<void>> all;
    for (int i = 0; i < 40; ++i) {
      all.push_back(hilo::spawn(spawn_options{.urgency = priority::high}, takes_turns('h')));
    }
    all.push_back(hilo::spawn(takes_turns('n')));
    auto idle = hilo::spawn(spawn_options{.urgency = priority::idle}, [&] {
      for (int turn = 0; turn < 20; ++turn) {
        order += 'i';
        hilo::yield();
      }
      stop = true;
    });
    idle.join();
    for (auto& one : all) one.join();
    // The turn of the one that waits for them all is not in the list.
    std::size_t most_high = 0;
    std::size_t most_without_idle = 0;
    std::size_t high = 0;
    std::size_t without_idle = 0;
    for (const char name : order.substr(0, order.rfind('i'))) {
      high = name == 'h' ? high + 1 : 0;
      without_idle = name == 'i' ? 0 : without_idle + 1;
      most_high = std::max(most_high, high);
      most_without_idle = std::max(most_without_idle, without_idle);
    }
    CHECK(most_high <= 16);
    CHECK(most_without_idle < 512);
  });
}

TEST_CASE("priority: fibers that yield forever starve none of another priority") {
  for (const unsigned carriers : {1U, 2U}) {
    CAPTURE(carriers);
    for (const priority greedy : {priority::high, priority::normal, priority::idle}) {
      for (const priority modest : {priority::high, priority::normal, priority::idle}) {
        hilo::run(runtime_options{.carriers = carriers}, [&] {
          std::atomic<bool> stop{false};
          std::vector<hilo::fiber<void>> all;
          for (int i = 0; i < 20; ++i) {
            all.push_back(hilo::spawn(spawn_options{.urgency = greedy}, [&] {
              while (!stop.load(std::memory_order_relaxed)) hilo::yield();
            }));
          }
          hilo::spawn(spawn_options{.urgency = modest}, [] {
            for (int i = 0; i < 10; ++i) hilo::yield();
            hilo::sleep_for(1ms);
          }).join();
          stop.store(true, std::memory_order_relaxed);
          for (auto& one : all) one.join();
        });
      }
    }
  }
}

TEST_CASE("priority: special fibers are joined, woken and sent to like any other") {
  hilo::test::on_each_runtime([] {
    hilo::channel<int> numbers;
    std::vector<hilo::fiber<long>> receivers;
    for (int i = 0; i < 9; ++i) {
      const spawn_options how{.urgency = static_cast<priority>(i % 3), .pinned = i % 2 == 0};
      receivers.push_back(hilo::spawn(how, [&] {
        long sum = 0;
        for (int n : numbers) {
          sum += n;
          if (n % 7 == 0) hilo::yield();
        }
        return sum;
      }));
    }
    std::thread outside([&] {
      for (int n = 0; n < 3000; ++n) CHECK(numbers.send(n) == hilo::status::ok);
      numbers.close();
    });
    long sum = 0;
    for (auto& one : receivers) sum += one.join();
    outside.join();
    CHECK(sum == 3000L * 2999 / 2);
  });
}

TEST_CASE("pin: a pinned fiber stays on its carrier, whatever it waits for") {
  hilo::test::on_each_runtime([] {
    std::vector<hilo::fiber<void>> all;
    for (int i = 0; i < 40; ++i) {
      all.push_back(hilo::spawn(spawn_options{.pinned = i % 2 == 0}, [i] {
        if (i % 2 != 0) {
          for (int n = 0; n < i; ++n) hilo::yield();
          hilo::this_fiber::pin();
        }
        const long mine = carrier();
        for (int n = 0; n < 20; ++n) {
          hilo::yield();
          CHECK(carrier() == mine);
          hilo::sleep_for(100us);
          CHECK(carrier() == mine);
          hilo::spawn([] { hilo::yield(); }).join();
          CHECK(carrier() == mine);
        }
        hilo::blocking([&] { CHECK(carrier() == mine); });
        CHECK(carrier() == mine);
      }));
    }
    for (auto& one : all) one.join();
  });
}

TEST_CASE("pin: while a pinned fiber blocks, the others on its carrier run on") {
  hilo::run(runtime_options{.carriers = 1}, [] {
    std::atomic<bool> ran{false};
    auto pinned = hilo::spawn(spawn_options{.pinned = true}, [&] {
      const long mine = carrier();
      hilo::blocking([&] {
        while (!ran.load(std::memory_order_relaxed)) std::this_thread::sleep_for(100us);
      });
      CHECK(carrier() == mine);
    });
    hilo::sleep_for(1ms);
    ran.store(true, std::memory_order_relaxed);
    pinned.join();
    for (int i = 0; i < 1000; ++i) hilo::spawn([] { hilo::yield(); }).join();
  });
}

TEST_CASE("pin: unpin as often as pin lets it go, more often aborts") {
  hilo::run(runtime_options{.carriers = 2}, [] {
    hilo::this_fiber::pin();
    hilo::this_fiber::pin();
    hilo::this_fiber::unpin();
    const long mine = carrier();
    for (int i = 0; i < 100; ++i) {
      hilo::yield();
      CHECK(carrier() == mine);
    }
    hilo::this_fiber::unpin();
    hilo::yield();
  });
  hilo::this_fiber::pin();  // no fiber: nothing happens
  hilo::this_fiber::unpin();
  CHECK(hilo::test::run_in_child([] {
          hilo::run([] { hilo::this_fiber::unpin(); });
        }).aborted_with("a fiber is unpinned that is not pinned"));
}
