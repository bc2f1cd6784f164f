#include "runtime/sched/trace/trace_ring.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "tests/doctest.hpp"

namespace {

using hilo::sched::trace_event;
using hilo::sched::trace_ring;
using hilo::sched::trace_what;

trace_event numbered_event(std::uint64_t number) {
  trace_event one;
  one.time = static_cast<std::int64_t>(number);
  one.fiber = number;
  one.other = number * 3;
  one.text = ~number;
  one.number = static_cast<std::uint32_t>(number);
  one.what = trace_what::wakes;
  return one;
}

bool is_whole(const trace_event& one) {
  return one.time == static_cast<std::int64_t>(one.fiber) && one.other == one.fiber * 3 &&
         one.text == ~one.fiber && one.number == static_cast<std::uint32_t>(one.fiber) &&
         one.what == trace_what::wakes;
}

void write_numbers(trace_ring& ring, std::uint64_t from, std::uint64_t until) {
  for (std::uint64_t i = from; i < until; ++i) ring.write(numbered_event(i));
}

}  // namespace

TEST_CASE("trace_ring: a ring that is not full gives all events once, in their order") {
  const auto ring = trace_ring::make(64);
  REQUIRE(ring != nullptr);
  std::uint64_t from = 0;
  std::vector<trace_event> all;
  CHECK(ring->read(from, all) == 0);
  CHECK(all.empty());
  write_numbers(*ring, 0, 10);
  CHECK(ring->read(from, all) == 0);
  write_numbers(*ring, 10, 20);
  CHECK(ring->read(from, all) == 0);
  CHECK(ring->read(from, all) == 0);
  REQUIRE(all.size() == 20);
  for (std::uint64_t i = 0; i < 20; ++i) {
    CHECK(is_whole(all[i]));
    CHECK(all[i].fiber == i);
  }
  CHECK(from == 20);
}

TEST_CASE("trace_ring: a full ring keeps the newest events, and tells how many were lost") {
  const auto ring = trace_ring::make(64);
  REQUIRE(ring != nullptr);
  REQUIRE(ring->room() == 64);
  // One cell may be in the middle of a write, as far as a reader knows.
  for (const std::uint64_t written : {64U, 65U, 127U, 128U, 1000U}) {
    write_numbers(*ring, ring->written(), written);
    std::uint64_t from = 0;
    std::vector<trace_event> all;
    CHECK(ring->read(from, all) == written - 63);
    REQUIRE(all.size() == 63);
    for (std::uint64_t i = 0; i < 63; ++i) {
      CHECK(is_whole(all[i]));
      CHECK(all[i].fiber == written - 63 + i);
    }
    CHECK(from == written);
  }
}

TEST_CASE("trace_ring: the room is a power of two in its bounds") {
  CHECK(trace_ring::make(1)->room() == trace_ring::least_room);
  CHECK(trace_ring::make(1000)->room() == 1024);
  CHECK(trace_ring::make(std::size_t{1} << 40)->room() == trace_ring::most_room);
}

TEST_CASE("trace_ring: a reader beside the writer sees whole events, and counts the lost ones") {
  constexpr std::uint64_t total = 200'000;
  const auto ring = trace_ring::make(64);
  REQUIRE(ring != nullptr);
  std::thread writer([&] { write_numbers(*ring, 0, total); });
  std::uint64_t from = 0;
  std::uint64_t next = 0;
  bool whole = true;
  bool in_order = true;
  std::vector<trace_event> some;
  while (from < total) {
    some.clear();
    next += ring->read(from, some);
    for (const trace_event& one : some) {
      whole = whole && is_whole(one);
      in_order = in_order && one.fiber == next;
      ++next;
    }
  }
  writer.join();
  CHECK(whole);
  CHECK(in_order);
  CHECK(next == total);
}
