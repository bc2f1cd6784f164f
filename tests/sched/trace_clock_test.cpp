#include "runtime/sched/trace/trace_clock.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <thread>

#include "hilo/detail/deadline.hpp"

#include "tests/doctest.hpp"

namespace {

using namespace std::chrono_literals;
using hilo::detail::monotonic_now;

// What half of the longest look may be wrong, and as much again by the rate.
constexpr std::int64_t tolerance = 2000;  // ns

struct seen {
  std::int64_t early = 0, late = 0;  // how far a time lay outside the clock's before and after it
  bool backwards = false;
};

seen compare_for(hilo::sched::trace_clock& clock, std::chrono::milliseconds time) {
  seen found;
  const std::int64_t end = monotonic_now() + std::chrono::nanoseconds(time).count();
  std::int64_t before = 0, former = clock.last();
  while ((before = monotonic_now()) < end) {
    const std::int64_t told = clock.now();
    const std::int64_t after = monotonic_now();
    found.early = std::max(found.early, before - told);
    found.late = std::max(found.late, told - after);
    found.backwards = found.backwards || told < former || told != clock.last();
    former = told;
  }
  return found;
}

}  // namespace

TEST_CASE("trace_clock: it is the clock's time, and never goes back") {
  hilo::sched::trace_clock clock;
  clock.begin();
  for (const auto pause : {0ms, 5ms, 1100ms}) {  // a worker without work, also for long
    std::this_thread::sleep_for(pause);
    const seen found = compare_for(clock, 20ms);
    CHECK(found.early <= tolerance);
    CHECK(found.late <= tolerance);
    CHECK(!found.backwards);
  }
  const std::int64_t former = clock.last();
  clock.begin();
  CHECK(clock.now() + tolerance >= former);
}
