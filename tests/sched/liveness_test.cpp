// What no crowd of busy fibers may keep away.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <optional>
#include <thread>
#include <vector>

#include "hilo/broadcast.hpp"
#include "hilo/channel.hpp"
#include "hilo/fiber.hpp"
#include "hilo/latch.hpp"
#include "hilo/oneshot.hpp"
#include "hilo/select.hpp"
#include "hilo/watch.hpp"

#include "runtime/base/sanitizers.hpp"
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

TEST_CASE("scheduler: more fibers that yield than a queue holds take turns") {
  constexpr std::size_t fibers = 1'000;
  constexpr std::size_t turns = HILO_TSAN ? 400 : 2'000;  // each, on average
  std::vector<std::size_t> had(fibers, 0);
  hilo::run(hilo::runtime_options{.carriers = 1}, [&] {
    std::size_t left = fibers * turns;
    std::vector<hilo::fiber<void>> all;
    for (std::size_t i = 0; i < fibers; ++i) {
      all.push_back(hilo::spawn([&, i] {
        for (; left != 0; hilo::yield()) {
          --left;
          ++had[i];
        }
      }));
    }
    for (auto& one : all) one.join();
  });
  const auto [least, most] = std::minmax_element(had.begin(), had.end());
  CHECK(*least > turns / 2);
  CHECK(*most < turns * 2);
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

TEST_CASE("scheduler: calls that end at once, being late or stopped, starve nobody") {
  check_liveness([](std::atomic<bool>& stop) {
    static hilo::channel<int> nothing;
    std::vector<hilo::fiber<void>> all;
    all.push_back(hilo::spawn([&stop] {
      std::optional<int> got;
      while (!stop.load(std::memory_order_relaxed)) (void)nothing.receive_for(got, 0s);
    }));
    all.push_back(hilo::spawn([&stop] {
      while (!stop.load(std::memory_order_relaxed)) (void)hilo::sleep_for(0s);
    }));
    for (int kind = 0; kind < 2; ++kind) {
      all.push_back(hilo::spawn([&stop, kind] {
        std::optional<int> got;
        while (!stop.load(std::memory_order_relaxed)) {
          if (kind == 0) (void)nothing.receive(got);
          if (kind == 1) (void)hilo::select{hilo::receive_from(nothing, got)};
        }
      }));
      all.back().request_stop();
    }
    return all;
  });
}

TEST_CASE("scheduler: a select, broadcast, watch or oneshot that is always ready starves nobody") {
  const auto check = [](auto step) {
    check_liveness([step](std::atomic<bool>& stop) {
      std::vector<hilo::fiber<void>> all;
      all.push_back(hilo::spawn([&stop, step]() mutable {
        while (!stop.load(std::memory_order_relaxed)) step();
      }));
      return all;
    });
  };
  static hilo::channel<int> ready(1);
  check([got = std::optional<int>()]() mutable {
    (void)hilo::select{hilo::send_to(ready, 1), hilo::receive_from(ready, got)};
  });
  static auto news = hilo::make_broadcast<int>(2);
  check([] {
    (void)news.out.send(1);
    (void)news.in.receive();
  });
  static auto state = hilo::make_watch(1);
  check([] {
    (void)state.out.send(1);
    (void)state.in.changed();
  });
  check([] {
    auto [out, in] = hilo::make_oneshot<int>();
    (void)out.send(1);
    (void)in.receive();
  });
}

TEST_CASE("scheduler: woken fibers that compute are shared by the carriers") {
  for (const unsigned carriers : {2U, 4U}) {
    CAPTURE(carriers);
    hilo::run(hilo::runtime_options{.carriers = carriers}, [&] {
      hilo::latch begin(1);
      std::atomic<unsigned> at_once{0};
      std::vector<hilo::fiber<void>> all;
      // Each computes until as many do as there are carriers; nobody else makes that come true.
      for (unsigned i = 0; i < carriers; ++i) {
        all.push_back(hilo::spawn([&] {
          begin.wait();
          at_once.fetch_add(1, std::memory_order_relaxed);
          while (at_once.load(std::memory_order_relaxed) != carriers) {
          }
        }));
      }
      hilo::sleep_for(2ms);  // most of them wait by then
      begin.count_down();
      for (auto& one : all) one.join();
    });
  }
}
