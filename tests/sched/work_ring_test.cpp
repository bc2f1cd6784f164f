#include "runtime/sched/queues/work_ring.hpp"

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "runtime/sched/fibers/fiber.hpp"
#include "tests/doctest.hpp"

using hilo::sched::fiber;
using hilo::sched::work_ring;

namespace {

// The ring never looks into a fiber, so numbers will do.
fiber* numbered(std::uintptr_t number) {
  return reinterpret_cast<fiber*>(number * 64);
}
std::uintptr_t number_of(fiber* one) {
  return reinterpret_cast<std::uintptr_t>(one) / 64;
}

}  // namespace

TEST_CASE("work_ring: the owner takes the newest or the oldest, thieves the oldest") {
  for (const bool shared : {false, true}) {
    work_ring ring;
    CHECK(ring.take_newest(shared) == nullptr);
    CHECK(ring.take_oldest(shared) == nullptr);
    for (std::uintptr_t i = 1; i <= 5; ++i) CHECK(ring.push(numbered(i)));
    CHECK(ring.size() == 5);
    CHECK(number_of(ring.take_newest(shared)) == 5);
    CHECK(number_of(ring.take_oldest(shared)) == 1);
    CHECK(number_of(ring.steal()) == 2);
    CHECK(number_of(ring.take_newest(shared)) == 4);
    CHECK(number_of(ring.take_newest(shared)) == 3);
    CHECK(ring.take_newest(shared) == nullptr);
    CHECK(ring.steal() == nullptr);
    CHECK(ring.size() == 0);
  }
}

TEST_CASE("work_ring: a full ring refuses, and takes again after one left") {
  work_ring ring;
  for (std::uintptr_t i = 1; i <= work_ring::capacity; ++i) CHECK(ring.push(numbered(i)));
  CHECK(ring.full());
  CHECK_FALSE(ring.push(numbered(999)));
  CHECK(number_of(ring.steal()) == 1);
  CHECK(ring.push(numbered(999)));
  CHECK(number_of(ring.take_newest(true)) == 999);
}

TEST_CASE("work_ring: owner and two thieves take each fiber exactly once") {
  constexpr std::uintptr_t items = 300'000;
  work_ring ring;
  std::vector<std::atomic<std::uint8_t>> taken(items + 1);
  std::atomic<bool> done{false};
  const auto take = [&](fiber* one) {
    taken[number_of(one)].fetch_add(1, std::memory_order_relaxed);
  };
  const auto thief = [&] {
    while (!done.load(std::memory_order_acquire)) {
      if (fiber* one = ring.steal()) take(one);
    }
  };
  std::thread first(thief);
  std::thread second(thief);
  std::uintptr_t next = 1;
  // The owner lets the ring run short again and again: the last fiber is where they meet.
  while (next <= items) {
    for (int burst = static_cast<int>(next % 7) + 1; burst > 0 && next <= items; --burst) {
      if (!ring.push(numbered(next))) break;
      ++next;
    }
    for (int burst = static_cast<int>(next % 5) + 1; burst > 0; --burst) {
      fiber* one = (next & 1) != 0 ? ring.take_newest(true) : ring.take_oldest(true);
      if (one == nullptr) break;
      take(one);
    }
  }
  while (fiber* one = ring.take_oldest(true)) take(one);
  while (ring.size() != 0) std::this_thread::yield();
  done.store(true, std::memory_order_release);
  first.join();
  second.join();
  std::size_t wrong = 0;
  for (std::uintptr_t i = 1; i <= items; ++i) {
    if (taken[i].load(std::memory_order_relaxed) != 1) ++wrong;
  }
  CHECK(wrong == 0);
}
