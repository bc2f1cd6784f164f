// The C interface: mutex, condition, semaphore, event, wait group, once (hilo/c/sync.h), scopes and
// fiber-local storage (hilo/c/scope.h, hilo/c/local.h).
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>

#include "hilo/hilo.h"
#include "hilo/hilo.hpp"

#include "runtime/base/sanitizers.hpp"
#include "tests/c/callback.hpp"
#include "tests/death.hpp"
#include "tests/doctest.hpp"
#include "tests/sync/floors.hpp"

namespace {

using hilo::test::as_callback;
using hilo::test::on_both_floors;
using hilo::test::on_each_runtime;

// Runs the body in so many fibers, and joins them.
template <class F>
void in_fibers(int count, F body) {
  std::array<hilo_fiber*, 16> fibers{};
  REQUIRE(count <= static_cast<int>(fibers.size()));
  as_callback call(body);
  for (int i = 0; i < count; ++i) {
    REQUIRE(hilo_spawn(&fibers[static_cast<size_t>(i)], nullptr, call.function, call.argument()) ==
            0);
  }
  for (int i = 0; i < count; ++i) CHECK(hilo_join(fibers[static_cast<size_t>(i)], nullptr) == 0);
}

}  // namespace

TEST_CASE("c mutex: keeps others out, and its deadline ends a wait") {
  on_each_runtime([] {
    hilo_mutex* guard = nullptr;
    REQUIRE(hilo_mutex_create(&guard, HILO_MUTEX_PLAIN) == 0);
    int count = 0;
    in_fibers(8, [&] {
      for (int i = 0; i < 200; ++i) {
        CHECK(hilo_mutex_lock(guard) == 0);
        const int before = count;
        if (i % 16 == 0) hilo_yield();
        count = before + 1;
        CHECK(hilo_mutex_unlock(guard) == 0);
      }
    });
    CHECK(count == 1600);
    CHECK(hilo_mutex_lock_until(guard, HILO_NO_WAIT) == 0);
    in_fibers(1, [&] {
      CHECK(hilo_mutex_lock_until(guard, HILO_NO_WAIT) == -EAGAIN);
      CHECK(hilo_mutex_lock_until(guard, hilo_after(HILO_MILLISECOND)) == -ETIMEDOUT);
    });
    hilo_fiber* one = nullptr;
    as_callback stopped([&] { CHECK(hilo_mutex_lock_until(guard, HILO_FOREVER) == -ECANCELED); });
    REQUIRE(hilo_spawn(&one, nullptr, stopped.function, stopped.argument()) == 0);
    CHECK(hilo_stop(one) == 0);
    CHECK(hilo_join(one, nullptr) == 0);
    CHECK(hilo_mutex_unlock(guard) == 0);
    CHECK(hilo_mutex_destroy(guard) == 0);
  });
}

TEST_CASE("c mutex: a recursive one is taken again by its holder") {
  on_both_floors([] {
    hilo_mutex* guard = nullptr;
    REQUIRE(hilo_mutex_create(&guard, HILO_MUTEX_RECURSIVE) == 0);
    for (int i = 0; i < 3; ++i) CHECK(hilo_mutex_lock(guard) == 0);
    for (int i = 0; i < 3; ++i) CHECK(hilo_mutex_unlock(guard) == 0);
    CHECK(hilo_mutex_destroy(guard) == 0);
  });
}

TEST_CASE("c mutex: a misuse ends the program") {
  const auto end = hilo::test::run_in_child([] {
    hilo_mutex* guard = nullptr;
    (void)hilo_mutex_create(&guard, HILO_MUTEX_PLAIN);
    (void)hilo_mutex_unlock(guard);
  });
  CAPTURE(end.describe());
  CHECK(end.aborted_with("hilo: "));
}

TEST_CASE("c condition: wakes waiters, and its deadline ends a wait") {
  on_each_runtime([] {
    for (const hilo_mutex_kind kind : {HILO_MUTEX_PLAIN, HILO_MUTEX_RECURSIVE}) {
      hilo_mutex* guard = nullptr;
      hilo_condition* changed = nullptr;
      REQUIRE(hilo_mutex_create(&guard, kind) == 0);
      REQUIRE(hilo_condition_create(&changed) == 0);
      int turn = 0;
      as_callback other([&] {
        for (int i = 1; i < 100; i += 2) {
          CHECK(hilo_mutex_lock(guard) == 0);
          while (turn != i) CHECK(hilo_condition_wait(changed, guard) == 0);
          ++turn;
          CHECK(hilo_condition_signal(changed) == 0);
          CHECK(hilo_mutex_unlock(guard) == 0);
        }
      });
      hilo_fiber* one = nullptr;
      REQUIRE(hilo_spawn(&one, nullptr, other.function, other.argument()) == 0);
      for (int i = 0; i < 100; i += 2) {
        CHECK(hilo_mutex_lock(guard) == 0);
        while (turn != i) CHECK(hilo_condition_wait_until(changed, guard, HILO_FOREVER) == 0);
        ++turn;
        CHECK(hilo_condition_broadcast(changed) == 0);
        CHECK(hilo_mutex_unlock(guard) == 0);
      }
      CHECK(hilo_join(one, nullptr) == 0);
      CHECK(hilo_mutex_lock(guard) == 0);
      CHECK(hilo_condition_wait_until(changed, guard, hilo_after(HILO_MILLISECOND)) == -ETIMEDOUT);
      CHECK(hilo_condition_wait_until(changed, guard, HILO_NO_WAIT) == -EAGAIN);
      CHECK(hilo_mutex_unlock(guard) == 0);
      CHECK(hilo_condition_destroy(changed) == 0);
      CHECK(hilo_mutex_destroy(guard) == 0);
    }
  });
}

TEST_CASE("c semaphore: gives what was released, and ends waits when it closes") {
  on_both_floors([] {
    hilo_semaphore* slots = nullptr;
    REQUIRE(hilo_semaphore_create(&slots, 2) == 0);
    CHECK(hilo_semaphore_acquire(slots, 2, HILO_NO_WAIT) == 0);
    CHECK(hilo_semaphore_acquire(slots, 1, HILO_NO_WAIT) == -EAGAIN);
    CHECK(hilo_semaphore_acquire(slots, 1, hilo_after(HILO_MILLISECOND)) == -ETIMEDOUT);
    CHECK(hilo_semaphore_release(slots, 3) == 0);
    CHECK(hilo_semaphore_acquire(slots, 3, HILO_FOREVER) == 0);
    CHECK(hilo_semaphore_acquire(slots, 0, HILO_FOREVER) == -EINVAL);
    CHECK(hilo_semaphore_release(slots, 0) == -EINVAL);
    CHECK(hilo_semaphore_close(slots) == 0);
    CHECK(hilo_semaphore_acquire(slots, 1, HILO_FOREVER) == -EPIPE);
    CHECK(hilo_semaphore_destroy(slots) == 0);
  });
}

TEST_CASE("c event and wait group: open, and let through") {
  on_each_runtime([] {
    hilo_event* gate = nullptr;
    hilo_wait_group* jobs = nullptr;
    REQUIRE(hilo_event_create(&gate, true) == 0);
    REQUIRE(hilo_wait_group_create(&jobs) == 0);
    CHECK(hilo_event_wait(gate, HILO_FOREVER) == 0);
    CHECK(hilo_event_reset(gate) == 0);
    CHECK(hilo_event_wait(gate, HILO_NO_WAIT) == -EAGAIN);
    CHECK(hilo_event_wait(gate, hilo_after(HILO_MILLISECOND)) == -ETIMEDOUT);
    CHECK(hilo_wait_group_wait(jobs, HILO_NO_WAIT) == 0);
    CHECK(hilo_wait_group_add(jobs, 4) == 0);
    CHECK(hilo_wait_group_wait(jobs, HILO_NO_WAIT) == -EAGAIN);
    std::atomic<int> through{0};
    as_callback body([&] {
      CHECK(hilo_event_wait(gate, HILO_FOREVER) == 0);
      through.fetch_add(1, std::memory_order_relaxed);
      CHECK(hilo_wait_group_done(jobs) == 0);
    });
    for (int i = 0; i < 4; ++i) {
      hilo_fiber* one = nullptr;
      REQUIRE(hilo_spawn(&one, nullptr, body.function, body.argument()) == 0);
      CHECK(hilo_detach(one) == 0);
    }
    CHECK(hilo_event_set(gate) == 0);
    CHECK(hilo_wait_group_wait(jobs, HILO_FOREVER) == 0);
    CHECK(through.load(std::memory_order_relaxed) == 4);
    CHECK(hilo_wait_group_destroy(jobs) == 0);
    CHECK(hilo_event_destroy(gate) == 0);
  });
}

TEST_CASE("c sync: every call refuses null") {
  CHECK(hilo_mutex_create(nullptr, HILO_MUTEX_PLAIN) == -EINVAL);
  hilo_mutex* guard = nullptr;
  CHECK(hilo_mutex_create(&guard, static_cast<hilo_mutex_kind>(5)) == -EINVAL);
  REQUIRE(hilo_mutex_create(&guard, HILO_MUTEX_PLAIN) == 0);
  CHECK(hilo_mutex_destroy(nullptr) == -EINVAL);
  CHECK(hilo_mutex_lock(nullptr) == -EINVAL);
  CHECK(hilo_mutex_lock_until(nullptr, HILO_NO_WAIT) == -EINVAL);
  CHECK(hilo_mutex_unlock(nullptr) == -EINVAL);
  hilo_condition* changed = nullptr;
  REQUIRE(hilo_condition_create(&changed) == 0);
  CHECK(hilo_condition_create(nullptr) == -EINVAL);
  CHECK(hilo_condition_destroy(nullptr) == -EINVAL);
  CHECK(hilo_condition_wait(nullptr, guard) == -EINVAL);
  CHECK(hilo_condition_wait(changed, nullptr) == -EINVAL);
  CHECK(hilo_condition_wait_until(nullptr, guard, 0) == -EINVAL);
  CHECK(hilo_condition_wait_until(changed, nullptr, 0) == -EINVAL);
  CHECK(hilo_condition_signal(nullptr) == -EINVAL);
  CHECK(hilo_condition_broadcast(nullptr) == -EINVAL);
  CHECK(hilo_condition_destroy(changed) == 0);
  CHECK(hilo_mutex_destroy(guard) == 0);
  CHECK(hilo_semaphore_create(nullptr, 1) == -EINVAL);
  CHECK(hilo_semaphore_destroy(nullptr) == -EINVAL);
  CHECK(hilo_semaphore_acquire(nullptr, 1, 0) == -EINVAL);
  CHECK(hilo_semaphore_release(nullptr, 1) == -EINVAL);
  CHECK(hilo_semaphore_close(nullptr) == -EINVAL);
  CHECK(hilo_event_create(nullptr, false) == -EINVAL);
  CHECK(hilo_event_destroy(nullptr) == -EINVAL);
  CHECK(hilo_event_set(nullptr) == -EINVAL);
  CHECK(hilo_event_reset(nullptr) == -EINVAL);
  CHECK(hilo_event_wait(nullptr, 0) == -EINVAL);
  CHECK(hilo_wait_group_create(nullptr) == -EINVAL);
  CHECK(hilo_wait_group_destroy(nullptr) == -EINVAL);
  CHECK(hilo_wait_group_add(nullptr, 1) == -EINVAL);
  CHECK(hilo_wait_group_done(nullptr) == -EINVAL);
  CHECK(hilo_wait_group_wait(nullptr, 0) == -EINVAL);
  hilo_once flag = HILO_ONCE;
  CHECK(hilo_call_once(nullptr, [] {}) == -EINVAL);
  CHECK(hilo_call_once(&flag, nullptr) == -EINVAL);
  CHECK(hilo_scope_open(nullptr, nullptr) == -EINVAL);
  CHECK(hilo_scope_spawn(
            nullptr, [](void*) { return 0; }, nullptr) == -EINVAL);
  CHECK(hilo_scope_stop(nullptr) == -EINVAL);
  CHECK(hilo_scope_wait(nullptr, 0) == -EINVAL);
  CHECK(hilo_scope_join(nullptr) == -EINVAL);
  CHECK(hilo_scope_close(nullptr) == -EINVAL);
  CHECK(hilo_local_create(nullptr, nullptr) == -EINVAL);
  CHECK(hilo_local_destroy(nullptr) == -EINVAL);
  CHECK(hilo_local_set(nullptr, &flag) == -EINVAL);
  CHECK(hilo_local_get(nullptr) == nullptr);
}

TEST_CASE("c once: the function runs once, before every return") {
  on_each_runtime([] {
    static std::atomic<int> calls;
    static std::atomic<bool> finished;
    calls.store(0, std::memory_order_relaxed);
    finished.store(false, std::memory_order_relaxed);
    hilo_once flag = HILO_ONCE;
    in_fibers(16, [&] {
      CHECK(hilo_call_once(&flag, [] {
              calls.fetch_add(1, std::memory_order_relaxed);
              for (int i = 0; i < 20; ++i) hilo_yield();
              finished.store(true, std::memory_order_relaxed);
            }) == 0);
      CHECK(finished.load(std::memory_order_relaxed));
    });
    CHECK(calls.load(std::memory_order_relaxed) == 1);
  });
}

TEST_CASE("c once: a function that calls it with its own flag gets EDEADLK") {
  static hilo_once flag = HILO_ONCE;
  static int inner = 0;
  CHECK(hilo_call_once(&flag, [] { inner = hilo_call_once(&flag, [] {}); }) == 0);
  CHECK(inner == -EDEADLK);
}

TEST_CASE("c scope: joins its children, and the first failure stops the others") {
  on_each_runtime([] {
    hilo_scope* all = nullptr;
    REQUIRE(hilo_scope_open(&all, nullptr) == 0);
    std::atomic<int> ran{0};
    const auto count = [](void* its) {
      static_cast<std::atomic<int>*>(its)->fetch_add(1, std::memory_order_relaxed);
      return 0;
    };
    for (int i = 0; i < 10; ++i) CHECK(hilo_scope_spawn(all, count, &ran) == 0);
    CHECK(hilo_scope_join(all) == 0);
    CHECK(ran.load(std::memory_order_relaxed) == 10);
    CHECK(hilo_scope_spawn(
              all, [](void*) { return hilo_sleep_until(HILO_FOREVER); }, nullptr) == 0);
    CHECK(hilo_scope_wait(all, HILO_NO_WAIT) == -EAGAIN);
    CHECK(hilo_scope_wait(all, hilo_after(HILO_MILLISECOND)) == -ETIMEDOUT);
    CHECK(hilo_scope_spawn(
              all, [](void*) { return -EBUSY; }, nullptr) == 0);
    CHECK(hilo_scope_join(all) == -EBUSY);
    CHECK(hilo_scope_spawn(all, count, &ran) == -ECANCELED);
    CHECK(hilo_scope_close(all) == 0);
  });
}

TEST_CASE("c scope: takes its options, stops, and closes with children that wait") {
  on_each_runtime([] {
    hilo_spawn_options fibers = HILO_SPAWN_OPTIONS;
    fibers.stack_size = 32 * 1024;
    hilo_scope_options options = HILO_SCOPE_OPTIONS;
    options.limit = 2;
    options.deadline = hilo_after(2 * HILO_MILLISECOND);
    options.fibers = &fibers;
    const auto forever = [](void*) { return hilo_sleep_until(HILO_FOREVER); };
    hilo_scope* all = nullptr;
    REQUIRE(hilo_scope_open(&all, &options) == 0);
    CHECK(hilo_scope_spawn(all, forever, nullptr) == 0);
    CHECK(hilo_scope_join(all) == -ETIMEDOUT);
    CHECK(hilo_scope_close(all) == 0);

    options.deadline = HILO_FOREVER;
    REQUIRE(hilo_scope_open(&all, &options) == 0);
    CHECK(hilo_scope_spawn(all, forever, nullptr) == 0);
    CHECK(hilo_scope_stop(all) == 0);
    CHECK(hilo_scope_join(all) == -ECANCELED);
    CHECK(hilo_scope_close(all) == 0);

    REQUIRE(hilo_scope_open(&all, nullptr) == 0);
    CHECK(hilo_scope_spawn(all, forever, nullptr) == 0);
    CHECK(hilo_scope_close(all) == 0);

    options.size = 1;
    CHECK(hilo_scope_open(&all, &options) == -EINVAL);
    options.size = sizeof options;
    fibers.size = 1;
    CHECK(hilo_scope_open(&all, &options) == -EINVAL);
  });
}

TEST_CASE("c local: each fiber has its own value, destroyed at its end") {
  on_both_floors([] {
    static std::atomic<int> destroyed;
    destroyed.store(0, std::memory_order_relaxed);
    hilo_local* value = nullptr;
    REQUIRE(hilo_local_create(&value, [](void* its) {
              CHECK(*static_cast<int*>(its) == 3);
              destroyed.fetch_add(1, std::memory_order_relaxed);
            }) == 0);
    CHECK(hilo_local_get(value) == nullptr);
    int three = 3;
    hilo::run([&] {
      in_fibers(8, [&] {
        CHECK(hilo_local_get(value) == nullptr);
        CHECK(hilo_local_set(value, &three) == 0);
        hilo_yield();
        CHECK(hilo_local_get(value) == &three);
      });
    });
    CHECK(destroyed.load(std::memory_order_relaxed) == 8);
    CHECK(hilo_local_get(value) == nullptr);
    CHECK(hilo_local_destroy(value) == 0);
  });
}

TEST_CASE("c local: values outlive their variable without a call") {
  on_each_runtime([] {
    hilo_local* value = nullptr;
    REQUIRE(hilo_local_create(&value, [](void*) { CHECK(false); }) == 0);
    in_fibers(1, [&] {
      int held = 0;
      CHECK(hilo_local_set(value, &held) == 0);
      CHECK(hilo_local_destroy(value) == 0);
    });
  });
}

TEST_CASE("c local: a destructor may set the value again, for four rounds") {
  on_each_runtime([] {
    static hilo_local* value;
    static int calls;
    static int held;
    // What is left after the last round is dropped, which the address sanitizer takes for a leak.
    static constexpr int most = HILO_ASAN ? 4 : 1000;
    calls = 0;
    REQUIRE(hilo_local_create(&value, [](void* its) {
              if (++calls == most) return;
              CHECK(hilo_local_get(value) == nullptr);
              CHECK(hilo_local_set(value, its) == 0);
            }) == 0);
    in_fibers(1, [] { CHECK(hilo_local_set(value, &held) == 0); });
    CHECK(calls == 4);
    CHECK(hilo_local_destroy(value) == 0);
  });
}
