#include "hilo/stack_usage.hpp"

#include <cerrno>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <system_error>

#include <sys/syscall.h>

#include "hilo/runtime.hpp"

#include "runtime/base/sanitizers.hpp"
#include "runtime/context/sanitizer.hpp"
#include "tests/death.hpp"
#include "tests/doctest.hpp"
#include "tests/emulator.hpp"
#include "tests/refusal.hpp"
#include "tests/runtimes.hpp"

using hilo::test::on_each_runtime;

namespace {

constexpr std::size_t kib = 1024;

// Uses at least `bytes` of stack, in frames of a kilobyte.
[[gnu::noinline]] std::size_t use_stack(std::size_t bytes, volatile char* above = nullptr) {
  volatile char frame[kib];
  frame[0] = above == nullptr ? 1 : above[0];
  if (bytes <= kib) return static_cast<std::size_t>(frame[0]);
  return use_stack(bytes - kib, frame) + static_cast<std::size_t>(frame[0]);  // no loop: it escapes
}

}  // namespace

TEST_CASE("stack_usage: a painted stack tells its deepest use, of this fiber alone") {
  on_each_runtime([] {
    const hilo::spawn_options painted{.stack_size = 256 * kib, .paint_stack = true};
    const auto use = [](std::size_t bytes) {
      return [bytes] {
        use_stack(bytes);
        hilo::yield();
      };
    };
    std::size_t last = 0;
    for (const std::size_t bytes : {4 * kib, 40 * kib, 100 * kib, 12 * kib}) {
      auto one = hilo::spawn(painted, use(bytes));
      const bool grew = bytes > last;
      (void)hilo::stack_usage(one);  // while it runs: some figure, and no harm
      auto after = hilo::spawn([] {});
      after.join();
      while (hilo::stack_usage(one).used < bytes) hilo::yield();
      const auto report = hilo::stack_usage(one);
      one.join();
      CHECK(report.size == 256 * kib);
      CHECK(report.painted);
      CHECK(report.used >= bytes);
      if (!HILO_ASAN && !HILO_TSAN) CHECK(report.used < bytes + bytes / 2 + 6 * kib);
      CHECK(grew == (bytes > last));
      last = bytes;
    }
  });
}

TEST_CASE("stack_usage: without paint, pages tell, and never too few") {
  on_each_runtime([] {
    for (const std::size_t bytes : {8 * kib, 64 * kib, 160 * kib}) {
      hilo::spawn({.stack_size = 256 * kib}, [bytes] {
        const auto before = hilo::stack_usage();
        CHECK_FALSE(before.painted);
        CHECK(before.size == 256 * kib);
        use_stack(bytes);
        const auto after = hilo::stack_usage();
        CHECK(after.used >= bytes);
        CHECK(after.used >= before.used);
        CHECK(after.used <= after.size);
        CHECK(after.used % (4 * kib) == 0);
      }).join();
    }
  });
}

TEST_CASE("stack_usage: a stack's size is rounded up to a power of two, 16 KiB at least") {
  hilo::run({.carriers = 1, .stack_size = 100 * kib}, [] {
    const auto size_of = [](std::size_t wanted) {
      return hilo::spawn({.stack_size = wanted}, [] { return hilo::stack_usage().size; }).join();
    };
    CHECK(size_of(0) == 128 * kib);
    CHECK(size_of(32 * kib) == 32 * kib);
    CHECK(size_of(32 * kib + 1) == 64 * kib);
    const hilo::fiber<void> small = hilo::spawn({.stack_size = 1}, [] {});
    CHECK(hilo::stack_usage(small).size == 16 * kib);
  });
  CHECK(hilo::run([] { return hilo::stack_usage().size; }) == 256 * kib);
}

TEST_CASE("stack_usage: of a fiber that has ended and is not joined yet") {
  on_each_runtime([] {
    auto one = hilo::spawn({.paint_stack = true}, [] { use_stack(20 * kib); });
    CHECK(one.wait() == hilo::status::ok);
    CHECK(hilo::stack_usage(one).used >= 20 * kib);
    one.join();
  });
}

TEST_CASE("stack_usage: without /proc only a painted stack tells its use") {
  if (hilo::context::sanitizing) HILO_SKIP("a sanitizer needs /proc itself");
  HILO_NEEDS(system_call_filters);
  const auto end = hilo::test::run_in_child([] {
    hilo::run({.carriers = 1}, [] {
      if (!hilo::test::refuse({.number = SYS_openat, .error = ENOENT})) std::_Exit(2);
#if defined(SYS_open)  // musl's open
      if (!hilo::test::refuse({.number = SYS_open, .error = ENOENT})) std::_Exit(2);
#endif
      if (hilo::spawn({.paint_stack = true}, [] { return hilo::stack_usage().used; }).join() == 0) {
        std::_Exit(3);
      }
      try {
        (void)hilo::stack_usage();
      } catch (const std::system_error& error) {
        std::fprintf(stderr, "%s\n", error.what());
        std::_Exit(0);
      }
    });
    std::_Exit(4);
  });
  CAPTURE(end.describe());
  CHECK(end.exited);
  CHECK(end.code == 0);
  CHECK(end.says("mount /proc, or spawn with spawn_options.paint_stack"));
}

TEST_CASE("stack_usage: painting as the runtime's default") {
  hilo::run({.carriers = 1, .stack_size = 64 * kib, .paint_stacks = true}, [] {
    const auto mine = hilo::stack_usage();
    CHECK(mine.painted);
    CHECK(mine.size == 64 * kib);
    CHECK(hilo::spawn([] { return hilo::stack_usage().painted; }).join());
  });
}

TEST_CASE("stack_usage: outside a fiber there is nothing to tell") {
  CHECK_THROWS_WITH_AS((void)hilo::stack_usage(),
                       "hilo: cannot tell how much of its stack the caller used: EINVAL (it is no "
                       "fiber)",
                       std::system_error);
}
