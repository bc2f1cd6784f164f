#include "runtime/sched/time/timer_wheel.hpp"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include "runtime/base/sanitizers.hpp"
#include "tests/doctest.hpp"
#include "tests/runtimes.hpp"

using hilo::sched::timer;
using hilo::sched::timer_wheel;

namespace {

constexpr std::int64_t tick = 1 << 15;

struct recorded : timer {
  explicit recorded(std::vector<recorded*>& log)
      : timer(
            [](timer& self, std::int64_t, bool) noexcept -> hilo::sched::fired {
              auto& mine = static_cast<recorded&>(self);
              mine.fired->push_back(&mine);
              return {};
            },
            nullptr),
        fired(&log) {}
  std::vector<recorded*>* fired;
  std::int64_t when = 0;
};

}  // namespace

TEST_CASE("timer_wheel: each timer fires once, never early, and in order of expiry") {
  const std::uint64_t seed = hilo::test::stress_seed();
  INFO("HILO_SEED=", seed);
  std::mt19937_64 random(seed);
  std::size_t most_blocks = ~std::size_t{0};
  SUBCASE("with all the memory it wants") {}
  SUBCASE("with memory for some") {
    most_blocks = 1;
  }
  timer_wheel wheel(0, most_blocks);
  std::vector<recorded*> log;
  std::vector<std::unique_ptr<recorded>> all;
  // More than a block of the wheel's memory is for. Each advance below looks at all of them.
  const int timers = HILO_ASAN || HILO_TSAN ? 1500 : 5000;
  for (int i = 0; i < timers; ++i) {
    auto one = std::make_unique<recorded>(log);
    // From one tick to 36 years, each magnitude as likely as the next.
    one->when = static_cast<std::int64_t>(random() >> (4 + random() % 58));
    wheel.arm(*one, one->when);
    all.push_back(std::move(one));
  }
  std::int64_t now = 0;
  std::size_t seen = 0;
  while (seen < all.size()) {
    const std::int64_t next = wheel.next_ns();
    REQUIRE(next != timer_wheel::never);
    REQUIRE(next > now);
    now = next + static_cast<std::int64_t>(random() % 4) * tick;
    wheel.advance(now);
    for (; seen < log.size(); ++seen) {
      CHECK(log[seen]->when <= now);
      // Those without memory of the wheel's are in no order.
      if (seen != 0 && most_blocks != 1)
        CHECK(log[seen - 1]->when / tick <= log[seen]->when / tick + 1);
    }
    // What is left lies ahead.
    for (const auto& one : all) {
      if (one->phase.load(std::memory_order_relaxed) == timer::armed) {
        REQUIRE(one->when > now - tick);
      }
    }
  }
  CHECK(seen == all.size());
}

TEST_CASE("timer_wheel: a timer beyond the horizon hides none that is before it") {
  constexpr std::int64_t hour = 3'600'000'000'000;
  timer_wheel wheel(hour);
  std::vector<recorded*> log;
  recorded far(log);
  recorded near(log);
  wheel.arm(far, 1'000 * hour);
  wheel.arm(near, 20 * hour);
  wheel.advance(21 * hour);
  CHECK(log == std::vector{&near});
  wheel.advance(999 * hour);
  CHECK(log.size() == 1);
  wheel.advance(1'001 * hour);
  CHECK(log == std::vector{&near, &far});
}

TEST_CASE("timer_wheel: among many that are armed and cancelled, just those that stay fire") {
  const std::uint64_t seed = hilo::test::stress_seed();
  INFO("HILO_SEED=", seed);
  std::mt19937_64 random(seed);
  std::size_t most_blocks = ~std::size_t{0};
  SUBCASE("with all the memory it wants") {}
  SUBCASE("with memory for some") {
    most_blocks = 1;
  }
  SUBCASE("without memory") {
    most_blocks = 0;
  }
  timer_wheel wheel(0, most_blocks);
  std::vector<recorded*> log;
  std::vector<std::unique_ptr<recorded>> all;
  for (int i = 0; i < 2000; ++i) all.push_back(std::make_unique<recorded>(log));
  std::int64_t now = 0;
  std::size_t armed = 0;
  for (int round = 0; round < 300; ++round) {
    for (int i = 0; i < 100; ++i) {
      recorded& one = *all[random() % all.size()];
      if (one.phase.load(std::memory_order_relaxed) == timer::armed) {
        REQUIRE(wheel.cancel(one));
        --armed;
      } else {
        one.when = now + static_cast<std::int64_t>(random() >> (24 + random() % 30));
        wheel.arm(one, one.when);
        ++armed;
      }
    }
    REQUIRE(wheel.size() == armed);
    now += static_cast<std::int64_t>(random() % (std::uint64_t{1} << (15 + random() % 15)));
    log.clear();
    wheel.advance(now);
    armed -= log.size();
    REQUIRE(wheel.size() == armed);
    for (const recorded* const one : log) REQUIRE(one->when <= now);
    for (const auto& one : all) {
      const bool waits = one->phase.load(std::memory_order_relaxed) == timer::armed;
      if (waits) REQUIRE(one->when > now - tick);
      if (waits) REQUIRE(wheel.next_ns() <= one->when + tick);
    }
  }
}

TEST_CASE("timer_wheel: a cancelled timer does not fire, a fired one cannot be cancelled") {
  timer_wheel wheel(0);
  std::vector<recorded*> log;
  recorded kept(log);
  recorded dropped(log);
  wheel.arm(kept, 10 * tick);
  wheel.arm(dropped, 10 * tick);
  CHECK(wheel.cancel(dropped));
  CHECK_FALSE(wheel.cancel(dropped));
  wheel.advance(20 * tick);
  CHECK(log == std::vector{&kept});
  CHECK_FALSE(wheel.cancel(kept));
  CHECK(wheel.next_ns() == timer_wheel::never);
  wheel.arm(kept, 5 * tick);  // in the past: at the next tick
  wheel.advance(21 * tick);
  CHECK(log.size() == 2);
}

TEST_CASE(
    "timer_wheel: one that is not sure is asked behind a fence, and one that asks fires again") {
  struct repeated : timer {
    repeated()
        : timer(
              [](timer& self, std::int64_t now, bool behind_fence) noexcept -> hilo::sched::fired {
                auto& mine = static_cast<repeated&>(self);
                ++(behind_fence ? mine.behind : mine.before);
                if (!behind_fence) return {.unsure = true};
                return {.again = mine.behind < 3 ? now + 5 * tick : 0};
              },
              nullptr) {}
    int before = 0;
    int behind = 0;
  };
  timer_wheel wheel(0);
  repeated one;
  wheel.arm(one, 10 * tick);
  for (int i = 1; i <= 3; ++i) {
    wheel.advance((5 * i + 4) * tick);
    CHECK(one.behind == i - 1);
    CHECK(wheel.size() == 1);
    wheel.advance((5 * i + 5) * tick);
    CHECK(one.before == i);
    CHECK(one.behind == i);
  }
  CHECK(wheel.size() == 0);
  CHECK_FALSE(wheel.cancel(one));
  one.behind = 0;
  wheel.arm(one, 30 * tick);
  wheel.advance(30 * tick);
  CHECK(wheel.cancel(one));
  CHECK(wheel.next_ns() == timer_wheel::never);
}
