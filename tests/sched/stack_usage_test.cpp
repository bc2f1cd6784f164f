#include "hilo/stack_usage.hpp"

#include <cmath>
#include <cstddef>
#include <system_error>

#include "hilo/runtime.hpp"

#include "runtime/base/sanitizers.hpp"
#include "tests/doctest.hpp"
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
