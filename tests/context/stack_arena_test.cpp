#include "runtime/context/stack_arena.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <pthread.h>
#include <unistd.h>

#include "runtime/context/context.hpp"
#include "runtime/context/stack_cache.hpp"
#include "tests/death.hpp"
#include "tests/doctest.hpp"
#include "tests/skip.hpp"

using hilo::context::stack;
using hilo::context::stack_arena;
using hilo::context::stack_cache;
using hilo::context::stack_pool;

namespace {

constexpr std::size_t kib = 1024;

stack* build(char* top, std::size_t index, stack_pool& pool) {
  auto* one = ::new (static_cast<void*>(top - 64)) stack;
  one->top = top;
  one->pool = &pool;
  top[-1] = static_cast<char>(index);  // touches the stack's last byte
  return one;
}

bool can_read(const char* at) {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const bool could = ::write(ends[1], at, 1) == 1;
  ::close(ends[0]);
  ::close(ends[1]);
  return could;
}

std::size_t mappings() {
  std::ifstream file("/proc/self/maps");
  std::size_t lines = 0;
  for (std::string line; std::getline(file, line);) ++lines;
  return lines;
}

}  // namespace

TEST_CASE("stack_arena: stacks are apart, writable to the last byte, and guarded below") {
  const auto end = hilo::test::run_in_child([] {
    stack_arena arena(16 * kib, 64 * 1024 * kib);
    const auto opened = arena.open(4);
    if (opened.count != 4) std::_Exit(2);
    for (std::size_t i = 0; i < 4; ++i) {
      char* const top = opened.first_top + i * arena.stride();
      for (std::size_t b = 1; b <= 16 * kib; ++b) top[-static_cast<std::ptrdiff_t>(b)] = 1;
      if (arena.guarded_by(top - 16 * kib) != nullptr) std::_Exit(3);
      if (arena.guarded_by(top - 16 * kib - 1) != top) std::_Exit(4);
    }
    volatile char* guard = opened.first_top + arena.stride() - 16 * kib - 1;
    *guard = 1;
    std::_Exit(5);
  });
  CAPTURE(end.describe());
  CHECK(end.says("hilo: stack overflow in "));
  CHECK_FALSE((end.exited && end.code < 6));
}

TEST_CASE("stack_arena: a thousand guarded stacks are a handful of mappings, and go with it") {
  if (hilo::context::sanitizing) HILO_SKIP("a sanitizer maps memory of its own meanwhile");
  const std::size_t before = mappings();
  {
    stack_arena arena(64 * kib, 1024 * 1024 * kib);
    if (arena.guards() == hilo::context::guard_kind::mapping) {
      HILO_SKIP("this kernel guards each stack with a mapping of its own");
    }
    for (int i = 0; i < 1000; ++i) {
      const auto one = arena.open(1);
      REQUIRE(one.count == 1);
      one.first_top[-1] = 1;
    }
    CHECK(mappings() <= before + 4);
  }
  CHECK(mappings() <= before + 1);
}

TEST_CASE("stack_arena: gives what it has, then says that it is used up") {
  stack_arena arena(16 * kib, 10 * 20 * kib);
  CHECK(arena.capacity() == 10);
  CHECK(arena.open(7).count == 7);
  CHECK(arena.open(7).count == 3);
  const auto none = arena.open(1);
  CHECK(none.count == 0);
  CHECK(none.error == 0);
  CHECK(arena.explain(0).find("all 10 stacks of 16 KiB are in use") == 0);
}

TEST_CASE(
    "stack_cache: the stack given last is taken first, and caches exchange through the pool") {
  stack_pool pool(16 * kib, 64 * 1024 * kib, 0, build);
  stack_cache one;
  stack_cache other;
  int error = 0;
  const auto take = [&](stack_cache& from) {
    stack* const warm = from.take_free();
    return warm != nullptr ? warm : from.refill(pool, error);
  };
  std::vector<stack*> held;
  for (int i = 0; i < 2048; ++i) held.push_back(take(one));
  std::vector<stack*> unique = held;
  std::sort(unique.begin(), unique.end());
  CHECK(std::adjacent_find(unique.begin(), unique.end()) == unique.end());
  one.give(held.back());
  CHECK(take(one) == held.back());
  // All end elsewhere; what one cache cannot keep, the other finds, before new memory is opened.
  for (stack* each : held) other.give(each);
  for (int i = 0; i < 1400; ++i) {
    CHECK(std::binary_search(unique.begin(), unique.end(), take(one)));
  }
  CHECK(error == 0);
}

TEST_CASE("stack_pool: stacks that were given one by one are fetched as chains, each once") {
  stack_pool pool(16 * kib, 64 * 1024 * kib, 0, build);
  constexpr std::size_t all = 2 * stack_pool::longest_chain + 10;
  int error = 0;
  std::vector<stack*> given;
  for (std::size_t i = 0; i < all; ++i) given.push_back(pool.take(error));
  for (stack* each : given) pool.give(each);
  CHECK(pool.spare() == all);
  // The newest first, whether in chains or one by one; a chain that lost its first is still one.
  const auto next = [&](const stack* one) {
    CHECK(one == given.back());
    given.pop_back();
  };
  for (int i = 0; i < 3; ++i) next(pool.take(error));
  std::size_t fetched = 3;
  for (const std::size_t expected : {std::size_t{7}, stack_pool::longest_chain}) {
    std::size_t length = 0;
    const stack* one = pool.take_chain(length);
    CHECK(length == expected);
    for (std::size_t i = 0; i < length; ++i, one = one->next_free) next(one);
    CHECK(one == nullptr);
    fetched += length;
  }
  CHECK(pool.spare() == all - fetched);
  // What grew old is closed, stack by stack, from within its chain too.
  pool.age();
  pool.age();
  next(pool.take(error));
  CHECK(pool.trim(all, [](const stack&) {}) == all - fetched - 1);
  CHECK(pool.spare() == 0);
  std::size_t length = 0;
  CHECK(pool.take_chain(length) == nullptr);
  CHECK(error == 0);
}

namespace {

struct pair {
  hilo::context::context here;
  hilo::context::context there;
  int steps = 0;
};

void bounce(void* argument) {
  auto& both = *static_cast<pair*>(argument);
  both.there.sanitizer.arrive();
  while (true) {
    ++both.steps;
    both.here.result = static_cast<std::uint32_t>(both.steps) * 10;
    hilo::context::switch_context(both.there, both.here);
  }
}

}  // namespace

TEST_CASE("context: a switch returns the result, and says when the other is off its stack") {
  stack_arena arena(64 * kib, 64 * 64 * kib);
  const auto opened = arena.open(1);
  REQUIRE(opened.count == 1);
  pair both;
  both.there.sanitizer.create(opened.first_top - 64 * kib, 64 * kib);
  // The thread that runs the test lends its own stack as the other context.
  std::thread([&] {
    pthread_attr_t attributes;
    void* low = nullptr;
    std::size_t bytes = 0;
    ::pthread_getattr_np(::pthread_self(), &attributes);
    ::pthread_attr_getstack(&attributes, &low, &bytes);
    ::pthread_attr_destroy(&attributes);
    both.here.sanitizer.adopt(low, bytes);
    hilo::context::prepare_context(both.there, opened.first_top, bounce, &both);
    for (int i = 1; i <= 1000; ++i) {
      CHECK(hilo::context::switch_context(both.here, both.there) ==
            static_cast<std::uint32_t>(i) * 10);
      CHECK(both.there.off_cpu());
      CHECK_FALSE(both.here.off_cpu());
    }
  }).join();
  both.there.sanitizer.destroy();
  CHECK(both.steps == 1000);
}

TEST_CASE("stack_arena: a closed slot loses its memory, keeps its guard, and is reopened first") {
  stack_arena arena(16 * kib, 64 * 1024 * kib);
  const auto opened = arena.open(3);
  REQUIRE(opened.count == 3);
  char* const second = opened.first_top + arena.stride();
  second[-1] = 7;
  CHECK(arena.reopen() == nullptr);
  arena.close(second);
  CHECK(arena.index_of(second) == 1);
  CHECK(arena.reopen() == second);
  CHECK(second[-1] == 0);
  CHECK(arena.guarded_by(second - 16 * kib - 1) == second);
  CHECK(arena.reopen() == nullptr);
}

TEST_CASE("stack_pool: stacks grow old only while nobody takes them, and old ones are trimmed") {
  stack_pool pool(16 * kib, 64 * 1024 * kib, 0, build);
  int error = 0;
  stack* const one = pool.take(error);
  stack* const other = pool.take(error);
  const auto settle = [](const stack&) {};
  pool.give(one);
  pool.give(other);
  CHECK(pool.spare() == 2);
  pool.age();
  CHECK(pool.trim(10, settle) == 0);
  CHECK(pool.take(error) == other);  // needed after all
  pool.age();
  CHECK(pool.trim(10, settle) == 1);
  CHECK(pool.spare() == 0);
  CHECK(pool.reopen() != nullptr);
  pool.give(other);
  CHECK(pool.take(error) == other);
}

TEST_CASE(
    "stack_arena: a kernel without guard pages of the page table gets mappings, to its limit") {
  static constexpr hilo::context::guard_support old{.page_table = false, .mappings = 1400};
  hilo::context::pretend_guard_support(&old);
  stack_arena bounded(16 * kib, 64 * 1024 * kib);
  stack_arena unbounded(16 * kib, 64 * 1024 * kib, true);
  hilo::context::pretend_guard_support(nullptr);
  CHECK(bounded.guards() == hilo::context::guard_kind::mapping);
  // (1400 - 1400/8 - 1024) / 2 guards, of both arenas
  const auto first = bounded.open(60);
  REQUIRE(first.count == 60);
  const auto second = unbounded.open(60);
  REQUIRE(second.count == 40);
  CHECK(unbounded.unguarded() == 0);
  const auto third = unbounded.open(60);
  REQUIRE(third.count == 60);
  CHECK(unbounded.unguarded() == 60);
  const auto none = bounded.open(1);
  CHECK(none.count == 0);
  CHECK(none.error == EAGAIN);
  CHECK(bounded.explain(EAGAIN).find("vm.max_map_count") != std::string::npos);
  for (const auto& [arena, from] : {std::pair(&bounded, first), std::pair(&unbounded, second)}) {
    for (std::size_t i = 0; i < from.count; ++i) {
      char* const top = from.first_top + i * arena->stride();
      top[-1] = top[-16 * static_cast<std::ptrdiff_t>(kib)] = 1;
      CHECK(arena->guarded_by(top - 16 * kib - 1) == top);
    }
  }
  for (std::size_t i = 0; i < third.count; ++i) {
    char* const top = third.first_top + i * unbounded.stride();
    top[-1] = top[-16 * static_cast<std::ptrdiff_t>(kib)] = 1;
    CHECK(unbounded.guarded_by(top - 16 * kib - 1) == nullptr);
  }
}

TEST_CASE("stack_arena: guards that are mappings are given back with their arena") {
  static constexpr hilo::context::guard_support old{.page_table = false, .mappings = 1400};
  hilo::context::pretend_guard_support(&old);
  for (int i = 0; i < 3; ++i) {
    stack_arena arena(16 * kib, 64 * 1024 * kib);
    CHECK(arena.open(200).count == 100);
  }
  hilo::context::pretend_guard_support(nullptr);
}

TEST_CASE(
    "stack_arena: where the page table is refused later, new stacks are guarded by mappings") {
  static constexpr hilo::context::guard_support refused{.page_table = false, .mappings = 1400};
  stack_arena arena(16 * kib, 64 * 1024 * kib);
  stack_arena unbounded(16 * kib, 64 * 1024 * kib, true);
  if (arena.guards() == hilo::context::guard_kind::mapping) {
    HILO_SKIP("this kernel guards each stack with a mapping of its own");
  }
  const auto first = arena.open(10);
  hilo::context::pretend_guard_support(&refused);
  const auto second = arena.open(70);
  const auto third = arena.open(70);  // 100 guards, as above
  const auto none = arena.open(1);
  const auto last = unbounded.open(20);
  hilo::context::pretend_guard_support(nullptr);
  CHECK(first.count == 10);
  CHECK(second.count == 70);
  CHECK(third.count == 30);
  CHECK(none.count == 0);
  CHECK(none.error == EAGAIN);
  CHECK(arena.explain(EAGAIN).find("memory is locked, or a filter refuses MADV_GUARD_INSTALL: a "
                                   "mapping guards each new stack") == 0);
  CHECK(last.count == 20);
  CHECK(unbounded.unguarded() == 20);
  for (const auto& batch : {first, second, third}) {
    for (std::size_t i = 0; i < batch.count; ++i) {
      char* const top = batch.first_top + i * arena.stride();
      top[-1] = top[-16 * static_cast<std::ptrdiff_t>(kib)] = 1;
      CHECK(arena.guarded_by(top - 16 * kib - 1) == top);
    }
  }
  CHECK(arena.open(1).count == 1);  // accepted again: the rest was handed back
}

TEST_CASE("stack_arena: a guard is as large as was asked for, and every byte of it faults") {
  for (const std::size_t size : {4 * kib, 64 * kib, 1024 * kib}) {
    CAPTURE(size);
    for (const bool page_table : {true, false}) {
      CAPTURE(page_table);
      const hilo::context::guard_support kernel{.page_table = page_table, .mappings = 65530};
      hilo::context::pretend_guard_support(&kernel);
      stack_arena arena(64 * kib, 64 * 1024 * kib, false, size);
      const auto opened = arena.open(3);
      hilo::context::pretend_guard_support(nullptr);
      REQUIRE(opened.count == 3);
      CHECK(arena.guard_size() >= size);
      CHECK(arena.guard_size() <= size + 4 * kib);
      CHECK(arena.stride() / (4 * kib) % 2 == 1);
      char* const low = opened.first_top + arena.stride() - 64 * kib;
      for (std::size_t below = 1; below <= arena.guard_size(); below += 4 * kib - 1) {
        CHECK(arena.guarded_by(low - below) == opened.first_top + arena.stride());
        CHECK_FALSE(can_read(low - below));
      }
      CHECK(can_read(low));
    }
  }
  stack_arena without(64 * kib, 64 * 1024 * kib, false, 0);
  const auto opened = without.open(2);
  REQUIRE(opened.count == 2);
  CHECK(without.guarded_by(opened.first_top - 64 * kib - 1) == nullptr);
}

TEST_CASE("stack_arena: a guard that is a mapping is hit and told as any other") {
  const auto end = hilo::test::run_in_child([] {
    static constexpr hilo::context::guard_support old{.page_table = false, .mappings = 65530};
    hilo::context::pretend_guard_support(&old);
    stack_arena arena(16 * kib, 64 * 1024 * kib);
    const auto opened = arena.open(2);
    volatile char* guard = opened.first_top + arena.stride() - 16 * kib - 1;
    *guard = 1;
    std::_Exit(5);
  });
  CAPTURE(end.describe());
  CHECK(end.says("hilo: stack overflow in "));
  CHECK_FALSE(end.exited);
}
