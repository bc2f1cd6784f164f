// What no crowd of busy fibers may keep away.

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "hilo/channel.hpp"
#include "hilo/fiber.hpp"

#include "tests/doctest.hpp"
#include "tests/runtimes.hpp"

using namespace std::chrono_literals;

namespace {

// Runs `busy` fibers beside a timer, a wake from a foreign thread and a new fiber; each must get
// through. The busy ones go on until then.
template <class F>
void check_liveness(F start_busy) {
  hilo::run(hilo::runtime_options{.carriers = 1}, [&] {
    std::atomic<bool> stop{false};
    auto busy = start_busy(stop);
    hilo::channel<int> from_outside;
    std::thread outside([&] {
      std::this_thread::sleep_for(50ms);
      CHECK(from_outside.send(1) == hilo::status::ok);
    });
    auto receiver = hilo::spawn([&] { return from_outside.receive(); });
    hilo::sleep_for(10ms);
    CHECK(hilo::spawn([] { return 1; }).join() == 1);
    CHECK(receiver.join() == 1);
    stop.store(true, std::memory_order_relaxed);
    for (auto& one : busy) one.join();
    outside.join();
  });
}

}  // namespace

TEST_CASE("scheduler: 100 fibers that yield forever starve nobody") {
  check_liveness([](std::atomic<bool>& stop) {
    std::vector<hilo::fiber<void>> all;
    for (int i = 0; i < 100; ++i) {
      all.push_back(hilo::spawn([&stop] {
        while (!stop.load(std::memory_order_relaxed)) hilo::yield();
      }));
    }
    return all;
  });
}

TEST_CASE("scheduler: two fibers that ping-pong forever starve nobody") {
  static hilo::channel<int>* there;
  static hilo::channel<int>* back;
  hilo::channel<int> one;
  hilo::channel<int> two;
  there = &one;
  back = &two;
  check_liveness([](std::atomic<bool>& stop) {
    std::vector<hilo::fiber<void>> all;
    all.push_back(hilo::spawn([&stop] {
      while (!stop.load(std::memory_order_relaxed)) {
        if (there->send(1) != hilo::status::ok) break;
        (void)back->receive();
      }
      there->close();
    }));
    all.push_back(hilo::spawn([] {
      for (int n : *there) {
        if (back->send(n) != hilo::status::ok) break;
      }
    }));
    return all;
  });
}

TEST_CASE("scheduler: a fiber that spawns and joins forever starves nobody") {
  check_liveness([](std::atomic<bool>& stop) {
    std::vector<hilo::fiber<void>> all;
    all.push_back(hilo::spawn([&stop] {
      while (!stop.load(std::memory_order_relaxed)) hilo::spawn([] {}).join();
    }));
    return all;
  });
}

TEST_CASE("scheduler: a channel that is always ready starves nobody") {
  static hilo::channel<int> ready(4);
  check_liveness([](std::atomic<bool>& stop) {
    std::vector<hilo::fiber<void>> all;
    all.push_back(hilo::spawn([&stop] {
      while (!stop.load(std::memory_order_relaxed)) {
        if (ready.send(1) != hilo::status::ok) break;
        (void)ready.receive();
      }
    }));
    return all;
  });
}
