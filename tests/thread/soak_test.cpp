// Many threads, eight at a time, each doing what threads do: none is lost and nothing adds up.
//
// 40,000 of them as a test (4,000 where libc makes them); HILO_SOAK=1000000 in the environment
// makes it a million each.
#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hilo/kernel/latch.hpp"
#include "hilo/thread.hpp"

#include "runtime/base/sanitizers.hpp"
#include "tests/doctest.hpp"
#include "tests/emulator.hpp"

namespace {

constexpr int at_once = 8;

bool own_threads() {
  return hilo::thread_backend().kind == hilo::thread_backend_kind::clone;
}

int wanted_threads() {
  const char* wish = std::getenv("HILO_SOAK");
  const int usual = hilo::test::repetitions(own_threads() ? 40'000 : 4'000);
  const int count = wish == nullptr ? usual : std::atoi(wish);
  return std::max(count / at_once, 1) * at_once;
}

// How many threads the process has: the links of this directory, beside its own two.
long threads_alive() {
  struct stat directory {};
  return ::stat("/proc/self/task", &directory) == 0 ? static_cast<long>(directory.st_nlink) - 2 : 0;
}

struct traces {
  long resident_kib = 0;
  long mappings = 0;
  long descriptors = 0;
};

traces take_traces() {
  traces now;
  std::ifstream rollup("/proc/self/smaps_rollup");
  for (std::string word; rollup >> word;) {
    if (word == "Rss:") rollup >> now.resident_kib;
  }
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) ++now.mappings;
  for ([[maybe_unused]] const auto& each : std::filesystem::directory_iterator("/proc/self/fd")) {
    ++now.descriptors;
  }
  return now;
}

std::atomic<long> locals_alive = 0;

struct counted {
  std::vector<int> numbers = std::vector<int>(100, 1);
  counted() { locals_alive.fetch_add(1, std::memory_order_relaxed); }
  ~counted() { locals_alive.fetch_sub(1, std::memory_order_relaxed); }
};
thread_local counted counted_here;
thread_local int plain = 5;

// 1 when all went as it must.
long live(int number, std::FILE* sink) {
  const auto block = std::make_unique<std::string>(1'000, 'x');
  bool right = plain == 5 && counted_here.numbers.size() == 100;
  plain = number;
  counted_here.numbers.push_back(number);
  try {
    throw std::runtime_error(*block + std::to_string(number));
  } catch (const std::exception& error) {
    right = right && std::string(error.what()).ends_with(std::to_string(number));
  }
  return right && std::fprintf(sink, "thread %d of many\n", number) > 0 ? 1 : 0;
}

// More that live at the same time than any group has, each with an arena of malloc's: what they
// leave is what any later group needs. In a group of the soak an early one may have ended before
// the last one starts, and one that is slow to leave makes the next group need a stack and an arena
// more.
void fill_caches() {
  constexpr int more = 2 * at_once;
  hilo::kernel::latch all(more);
  std::array<hilo::thread, more> threads;
  for (hilo::thread& one : threads) {
    one = hilo::thread([&] {
      const std::unique_ptr<void, decltype(&std::free)> block(std::malloc(1'000), &std::free);
      *static_cast<volatile char*>(block.get()) = 1;  // no compiler leaves it out
      all.arrive_and_wait();
    });
  }
  for (hilo::thread& one : threads) one.join();
}

// Runs them in groups of eight and compares what is left with what was there after a warm-up.
template <class Group>
void soak(Group group) {
  const int total = wanted_threads();
  ::alarm(static_cast<unsigned>(60 + total / 5'000));  // the limit of one test case is for less
  std::FILE* sink = std::fopen("/dev/null", "w");
  REQUIRE(sink != nullptr);
  long right = 0;
  int number = 0;
  const int warm_up = std::max(total / 10, at_once);
  fill_caches();
  for (; number < warm_up; number += at_once) right += group(number, sink);
  const traces before = take_traces();
  for (; number < total; number += at_once) right += group(number, sink);
  const traces after = take_traces();
  std::fclose(sink);
  CHECK(right == number);
  CHECK(locals_alive.load(std::memory_order_relaxed) == 0);
  CHECK(after.descriptors == before.descriptors);
#if !HILO_ASAN && !HILO_TSAN  // which map and keep memory of their own
  if (!hilo::test::missing_memory_figures().empty()) {
    // So do emulators.
  } else if (own_threads()) {
    // Fewer, where the libc unmaps what tests before this one left in its caches.
    CHECK(after.mappings <= before.mappings);
    CHECK(after.resident_kib - before.resident_kib < 128);  // some pages; a leak would be thousands
  } else {  // the libc keeps stacks and heaps as it likes
    CHECK(after.mappings <= before.mappings + 4 * at_once);
    CHECK(after.resident_kib - before.resident_kib < 4 * 1024);
  }
#endif
  std::printf("%d threads, resident %ld to %ld KiB, mappings %ld to %ld ... ", number,
              before.resident_kib, after.resident_kib, before.mappings, after.mappings);
}

}  // namespace

TEST_CASE("soak: threads that are joined leave nothing, however many") {
  soak([](int first, std::FILE* sink) {
    std::array<hilo::thread, at_once> threads;
    std::array<long, at_once> right{};
    for (int i = 0; i < at_once; ++i) {
      auto& result = right[static_cast<std::size_t>(i)];
      threads[static_cast<std::size_t>(i)] =
          hilo::thread([&result, first, i, sink] { result = live(first + i, sink); });
    }
    long sum = 0;
    for (std::size_t i = 0; i < at_once; ++i) {
      threads[i].join();
      sum += right[i];
    }
    return sum;
  });
}

TEST_CASE("soak: threads that are detached leave nothing, however many") {
  // The least that was seen: joined threads of the test before may still be on their way out.
  long others = threads_alive();
  soak([&others](int first, std::FILE* sink) {
    std::atomic<long> sum = 0;
    // A thread_local of the thread, so that the count comes after its other destructors.
    static hilo::kernel::latch* ended;
    hilo::kernel::latch all(at_once);
    ended = &all;
    struct farewell {
      ~farewell() { ended->count_down(); }
    };
    for (int i = 0; i < at_once; ++i) {
      hilo::thread([&sum, first, i, sink] {
        thread_local farewell last;
        [[maybe_unused]] const auto* made = &last;
        sum.fetch_add(live(first + i, sink), std::memory_order_relaxed);
      }).detach();
    }
    all.wait();
    // The kernel, too, is to be done with them: eight at a time and no more.
    long alive = threads_alive();
    for (; alive > others; alive = threads_alive()) ::sched_yield();
    others = alive;
    return sum.load(std::memory_order_relaxed);
  });
}
