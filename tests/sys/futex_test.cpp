// The futex wrapper.
#include "runtime/sys/futex.hpp"

#include <atomic>
#include <cerrno>
#include <chrono>
#include <thread>
#include <vector>

#include "tests/doctest.hpp"

namespace sys = hilo::sys;
using namespace std::chrono_literals;

TEST_CASE("futex: a wait on another value returns at once") {
  const sys::futex_word word = 1;
  CHECK(sys::futex_wait(word, 0) == -EAGAIN);
  CHECK(sys::futex_wait(word, 0, sys::futex_scope::shared) == -EAGAIN);
  CHECK(sys::futex_wait_until(word, 0, sys::futex_clock::now() + 1h) == -EAGAIN);
}

TEST_CASE("futex: a deadline ends a wait, not before its time") {
  const sys::futex_word word = 1;
  const auto deadline = sys::futex_clock::now() + 20ms;
  CHECK(sys::futex_wait_until(word, 1, deadline) == -ETIMEDOUT);
  CHECK(sys::futex_clock::now() >= deadline);
}

TEST_CASE("futex: a deadline in the past, before boot too, ends it at once") {
  const sys::futex_word word = 1;
  CHECK(sys::futex_wait_until(word, 1, sys::futex_clock::now() - 1s) == -ETIMEDOUT);
  CHECK(sys::futex_wait_until(word, 1, sys::futex_clock::time_point{}) == -ETIMEDOUT);
  CHECK(sys::futex_wait_until(word, 1, sys::futex_clock::time_point::min()) == -ETIMEDOUT);
}

TEST_CASE("futex: the farthest deadline waits") {
  sys::futex_word word = 1;
  std::thread waker([&] {
    // (A) release: the waiter's loop reads it
    word.store(0, std::memory_order_release);
    sys::futex_wake_all(&word);
  });
  while (word.load(std::memory_order_acquire) != 0) {  // acquire: pairs with (A)
    const long result = sys::futex_wait_until(word, 1, sys::futex_clock::time_point::max());
    CHECK(result != -ETIMEDOUT);
    CHECK(result != -EINVAL);
  }
  waker.join();
}

TEST_CASE("futex: wake says how many it woke") {
  for (const auto scope : {sys::futex_scope::process, sys::futex_scope::shared}) {
    sys::futex_word word = 0;
    CHECK(sys::futex_wake_all(&word, scope) == 0);
    std::atomic<int> returned = 0;
    std::vector<std::thread> sleepers;
    for (int i = 0; i < 3; ++i) {
      sleepers.emplace_back([&] {
        while (word.load(std::memory_order_acquire) == 0) sys::futex_wait(word, 0, scope);
        returned.fetch_add(1, std::memory_order_relaxed);
      });
    }
    long woken = 0;
    while (woken < 3) woken += sys::futex_wake_one(&word, scope);
    word.store(1, std::memory_order_release);
    sys::futex_wake_all(&word, scope);
    for (auto& each : sleepers) each.join();
    CHECK(returned.load(std::memory_order_relaxed) == 3);
  }
}
