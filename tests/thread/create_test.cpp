// hilo::thread: starting, arguments, results, names, stop requests, join and detach.
#include <atomic>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <system_error>
#include <vector>

#include <sys/syscall.h>
#include <unistd.h>

#include "hilo/thread.hpp"

#include "runtime/thread/thread.hpp"
#include "tests/death.hpp"
#include "tests/doctest.hpp"

using namespace std::chrono_literals;

TEST_CASE("thread: runs its callable with its arguments and join makes the result visible") {
  int sum = 0;
  hilo::thread adder([](int a, int b, int* result) { *result = a + b; }, 40, 2, &sum);
  adder.join();
  CHECK(sum == 42);
  CHECK_FALSE(adder.joinable());
}

TEST_CASE("thread: moves what can only be moved, once") {
  int seen = 0;
  auto number = std::make_unique<int>(7);
  hilo::thread(
      [&seen, number = std::move(number)](std::unique_ptr<int> other) { seen = *number + *other; },
      std::make_unique<int>(8))
      .join();
  CHECK(seen == 15);
}

TEST_CASE("thread: destroys its closure on the new thread, before join returns") {
  auto token = std::make_shared<int>(1);
  const std::weak_ptr<int> watch = token;
  hilo::thread holder([token = std::move(token)] {});
  holder.join();
  CHECK(watch.expired());
}

TEST_CASE("thread: a closure with its own alignment keeps it") {
  struct alignas(256) wide {
    int value = 3;
  };
  bool aligned = false;
  int value = 0;
  hilo::thread([&, w = wide{}] {
    aligned = reinterpret_cast<std::uintptr_t>(&w) % 256 == 0;
    value = w.value;
  }).join();
  CHECK(aligned);
  CHECK(value == 3);
}

TEST_CASE("thread: has a number of its own, the one the kernel knows") {
  hilo::thread::id inside = 0;
  hilo::thread reporter([&] { inside = hilo::this_thread::native_id(); });
  const auto outside = reporter.native_id();
  reporter.join();
  CHECK(inside == outside);
  CHECK(inside != hilo::this_thread::native_id());
  CHECK(reporter.native_id() == 0);
}

TEST_CASE("thread: carries its name, cut to what the kernel keeps") {
  std::string name;
  hilo::thread({.name = "a rather long name"}, [&] { name = hilo::this_thread::name(); }).join();
  CHECK(name == "a rather long n");
  hilo::thread([&] {
    hilo::this_thread::set_name("other");
    name = hilo::this_thread::name();
  }).join();
  CHECK(name == "other");
}

TEST_CASE("thread: a callable that takes a stop token sees the request") {
  hilo::thread waiter([](std::stop_token stop) {
    std::atomic<bool> asked = false;
    const std::stop_callback wake(stop, [&] {
      asked.store(true, std::memory_order_release);
      asked.notify_one();
    });
    asked.wait(false, std::memory_order_acquire);
  });
  CHECK(waiter.request_stop());
  CHECK(waiter.get_stop_token().stop_requested());
  waiter.join();
}

TEST_CASE("thread: a callable without a stop token has none, on either side") {
  hilo::thread plain([] {});
  CHECK_FALSE(plain.request_stop());
  CHECK_FALSE(plain.get_stop_source().stop_possible());
  CHECK_FALSE(plain.get_stop_token().stop_possible());
  hilo::thread none;
  none.swap(plain);
  CHECK_FALSE(plain.joinable());
  CHECK(none.native_id() != 0);
  none.join();
}

TEST_CASE("thread: one without a name has its starter's, as it has its nice value and its CPUs") {
  std::string name;
  int nice = 0;
  std::vector<unsigned> cpus;
  const unsigned cpu = hilo::this_thread::cpus().front();
  hilo::thread({.name = "starter", .nice = 9}, [&] {
    hilo::this_thread::set_cpus(std::vector<unsigned>{cpu});
    hilo::thread([&] {
      name = hilo::this_thread::name();
      nice = hilo::this_thread::nice();
      cpus = hilo::this_thread::cpus();
    }).join();
  }).join();
  CHECK(name == "starter");
  CHECK(nice == 9);
  CHECK(cpus == std::vector<unsigned>{cpu});
}

TEST_CASE("thread: destruction asks to stop and joins") {
  std::atomic<bool> stopped = false;
  {
    const hilo::thread loop([&](std::stop_token stop) {
      while (!stop.stop_requested()) ::usleep(100);
      stopped.store(true, std::memory_order_relaxed);
    });
  }
  CHECK(stopped.load(std::memory_order_relaxed));
}

TEST_CASE("thread: assignment over a joinable handle joins it first") {
  std::atomic<int> order = 0;
  int first = 0;
  hilo::thread handle([&](std::stop_token stop) {
    while (!stop.stop_requested()) ::usleep(100);
    first = order.fetch_add(1, std::memory_order_relaxed) + 1;
  });
  handle = hilo::thread([&] { order.fetch_add(1, std::memory_order_relaxed); });
  CHECK(first >= 1);
  handle.join();
  CHECK(order.load(std::memory_order_relaxed) == 2);
}

TEST_CASE("thread: join with a deadline gives up and can be repeated") {
  hilo::thread sleeper([](std::stop_token stop) {
    while (!stop.stop_requested()) ::usleep(100);
  });
  CHECK_FALSE(sleeper.join_for(5ms));
  CHECK_FALSE(sleeper.join_until(std::chrono::steady_clock::time_point{}));
  CHECK(sleeper.joinable());
  sleeper.request_stop();
  CHECK(sleeper.join_for(30s));
  CHECK_FALSE(sleeper.joinable());
}

TEST_CASE("thread: joining nothing, detaching nothing and joining oneself are errors in words") {
  hilo::thread none;
  CHECK_THROWS_AS(none.join(), std::system_error);
  CHECK_THROWS_AS(none.detach(), std::system_error);
  hilo::thread* self = nullptr;
  std::atomic<bool> ready = false;
  int code = 0;
  hilo::thread narcissus([&] {
    ready.wait(false, std::memory_order_acquire);
    try {
      self->join();
    } catch (const std::system_error& error) {
      code = error.code().value();
    }
  });
  self = &narcissus;
  ready.store(true, std::memory_order_release);
  ready.notify_one();
  narcissus.join();
  CHECK(code == EDEADLK);
}

TEST_CASE("thread: an exception that leaves the callable terminates with its message") {
  const auto end = hilo::test::run_in_child(
      [] { hilo::thread([] { throw std::runtime_error("nobody catches this"); }).join(); });
  CAPTURE(end.describe());
  CHECK(end.aborted_with("nobody catches this"));
}

TEST_CASE("thread: detached threads run to their end and their records are used again") {
  static std::atomic<int> ended;
  ended.store(0, std::memory_order_relaxed);
  constexpr int count = 500;
  for (int i = 0; i < count; ++i) {
    hilo::thread([] {
      ended.fetch_add(1, std::memory_order_release);
      ended.notify_one();
    }).detach();
  }
  for (int seen; (seen = ended.load(std::memory_order_acquire)) != count;) {
    ended.wait(seen, std::memory_order_acquire);
  }
  CHECK(ended.load(std::memory_order_relaxed) == count);
}

TEST_CASE("kernel: the plain form starts, names and joins") {
  int seen = 0;
  const auto handle = hilo::kernel::start(
      {.name = "carrier"}, [](void* where) { *static_cast<int*>(where) = 5; }, &seen);
  CHECK(hilo::kernel::id(handle) > 0);
  hilo::kernel::join(handle);
  CHECK(seen == 5);
}
