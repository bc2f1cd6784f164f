// Fibers by the million.

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <string>
#include <vector>

#include <sys/mman.h>
#include <unistd.h>

#include "hilo/channel.hpp"
#include "hilo/latch.hpp"
#include "hilo/runtime.hpp"

#include "runtime/base/sanitizers.hpp"
#include "runtime/context/stack_arena.hpp"
#include "tests/doctest.hpp"
#include "tests/skip.hpp"

namespace {

std::size_t field_kib(const char* path, const std::string& name) {
  std::ifstream file(path);
  for (std::string word; file >> word;) {
    std::size_t kib = 0;
    if (word == name && file >> kib) return kib;
  }
  return 0;
}

std::size_t mappings() {
  std::ifstream file("/proc/self/maps");
  std::size_t lines = 0;
  for (std::string line; std::getline(file, line);) ++lines;
  return lines;
}

// Empty, or why so many stacks of the usual size cannot be open at once.
std::string missing_stacks(std::size_t many) {
  const hilo::context::stack_arena arena(hilo::runtime_options{}.stack_size, 0);
  if (arena.guards() == hilo::context::guard_kind::mapping) return arena.explain(EAGAIN);
  return arena.capacity() < many ? arena.explain(0) : "";
}

// How long the kernel takes to give a page, in microseconds. Under a hypervisor that shadows page
// tables it is thirty times what it is elsewhere.
double page_cost() {
  constexpr std::size_t pages = 2000;
  constexpr std::size_t apart = 128 * 1024;  // as far as the stacks of two fibers
  void* const all = ::mmap(nullptr, pages * apart, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (all == MAP_FAILED) return 0;
  const auto start = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < pages; ++i) static_cast<volatile char*>(all)[i * apart] = 1;
  const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - start;
  ::munmap(all, pages * apart);
  return took.count() / pages;
}

}  // namespace

TEST_CASE("runtime: 1,000,000 fibers parked at once live within 5 GiB and a few mappings") {
#if HILO_ASAN || HILO_TSAN
  HILO_SKIP("a sanitizer's shadow of a million stacks is no measure of ours");
#endif
  const std::size_t free_kib = field_kib("/proc/meminfo", "MemAvailable:");
  if (free_kib < std::size_t{6} << 20) {
    HILO_SKIP("needs 6 GiB of free memory, there are " + std::to_string(free_kib >> 20));
  }
  constexpr std::size_t many = 1'000'000;
  if (const std::string why = missing_stacks(many); !why.empty()) HILO_SKIP(why);
  if (const double cost = page_cost(); cost > 8) {
    HILO_SKIP("a page takes " + std::to_string(static_cast<int>(cost)) +
              " us here, so a million last too long");
  }
  std::size_t grown_kib = 0;
  std::size_t maps = 0;
  std::size_t sum = 0;
  hilo::run(hilo::runtime_options{.carriers = 2}, [&] {
    const std::size_t before_kib = field_kib("/proc/self/status", "VmRSS:");
    const std::size_t before_maps = mappings();
    hilo::channel<std::size_t> gate;
    hilo::channel<std::size_t> out(1024);
    std::vector<hilo::fiber<void>> all;
    all.reserve(many);
    for (std::size_t i = 0; i < many; ++i) {
      all.push_back(hilo::spawn([&gate, &out, i] {
        if (!gate.receive()) (void)out.send(i);  // closed: all go on
      }));
    }
    // Every fiber has run and parked once nothing of them is queued any more.
    auto last = hilo::spawn([] {});
    last.join();
    grown_kib = field_kib("/proc/self/status", "VmRSS:") - before_kib;
    maps = mappings() - before_maps;
    gate.close();
    for (std::size_t i = 0; i < many; ++i) sum += *out.receive();
    for (auto& one : all) one.join();
  });
  CHECK(sum == many * (many - 1) / 2);
  CHECK(grown_kib < std::size_t{5} << 20);
  MESSAGE("parked fibers: ", grown_kib * 1024 / many, " bytes each, ", maps, " new mappings");
}

TEST_CASE("runtime: stacks are used again, so memory does not grow with the number of fibers") {
  if (HILO_ASAN || HILO_TSAN) HILO_SKIP("a sanitizer keeps what it recorded of each fiber");
  hilo::run(hilo::runtime_options{.carriers = 2}, [] {
    const auto round = [] {
      std::vector<hilo::fiber<void>> all;
      for (int i = 0; i < 2'000; ++i) all.push_back(hilo::spawn([] { hilo::yield(); }));
      for (auto& one : all) one.join();
    };
    for (int i = 0; i < 5; ++i) round();
    const std::size_t before = field_kib("/proc/self/status", "VmRSS:");
    for (int i = 0; i < 50; ++i) round();
    const std::size_t after = field_kib("/proc/self/status", "VmRSS:");
    CHECK(after < before + 4096);
  });
}

TEST_CASE(
    "runtime: stacks that nobody needs give their memory back by themselves, and serve again") {
  if (HILO_ASAN || HILO_TSAN) HILO_SKIP("a sanitizer keeps the shadow of every stack");
  constexpr std::size_t many = 200'000;
  if (const std::string why = missing_stacks(many); !why.empty()) HILO_SKIP(why);
  hilo::run(hilo::runtime_options{.carriers = 2}, [] {
    std::vector<hilo::fiber<void>> all(many);  // touched now: it is this test's own memory
    const auto peak = [&] {
      hilo::event gate;
      for (auto& one : all) one = hilo::spawn([&] { gate.wait(); });
      const std::size_t high = field_kib("/proc/self/status", "VmRSS:");
      gate.set();
      for (auto& one : all) one.join();
      return high;
    };
    const std::size_t before = field_kib("/proc/self/status", "VmRSS:");
    const std::size_t high = peak();
    CHECK(high > before + many * 3);  // KiB: a page each, but for those that were there
    // Within 5 s where the kernel takes a page back in a microsecond. A carrier that is woken more
    // often than every second keeps the stacks in its cache.
    std::size_t after = high;
    int seconds = 0;
    for (; seconds < 60 && after >= before + before / 10; seconds += 5) {
      hilo::sleep_for(std::chrono::seconds(5));
      after = field_kib("/proc/self/status", "VmRSS:");
    }
    CHECK(after < before + before / 10);
    MESSAGE("RSS in KiB: ", before, " before, ", high, " at the peak, ", after, " after ", seconds,
            " s");
    CHECK(peak() > before + many * 3);
  });
}

TEST_CASE("runtime: what comes to lie where a stack was is memory as any other") {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  std::uintptr_t was = 0;
  hilo::run({.carriers = 1}, [&] {
    hilo::spawn([&] {
      volatile char local[64] = {};
      was = reinterpret_cast<std::uintptr_t>(&local[0]) & ~(page - 1);
    }).join();
  });
  void* const wanted = reinterpret_cast<void*>(was);
  void* const now = ::mmap(wanted, page, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  REQUIRE(now == wanted);
  // Not the least of it is a frame to the address sanitizer.
  auto* const bytes = static_cast<volatile char*>(now);
  for (std::uintptr_t i = 0; i < page; ++i) bytes[i] = static_cast<char>(i);
  CHECK(bytes[page - 1] == static_cast<char>(page - 1));
  REQUIRE(::munmap(now, page) == 0);
}

TEST_CASE("runtime: trees and loops of a million spawns need hundreds of stacks") {
  if (HILO_ASAN || HILO_TSAN) HILO_SKIP("a sanitizer makes it take minutes");
  // More would not be had: the arena has room for no more stacks than this.
  constexpr std::size_t stacks = 2'000;
  constexpr std::size_t stack = 16 * 1024;
  hilo::runtime_options options{.stack_size = stack, .stack_reserve = stacks * (stack + 4096)};
  options.stuck_after = std::chrono::milliseconds(0);  // a replacement has hundreds of its own
  for (const unsigned carriers : {1U, 2U}) {
    CAPTURE(carriers);
    options.carriers = carriers;
    hilo::run(options, [] {
      struct tree {
        static int count(int depth) {
          if (depth == 0) return 1;
          auto left = hilo::spawn([depth] { return count(depth - 1); });
          auto right = hilo::spawn([depth] { return count(depth - 1); });
          return left.join() + right.join();
        }
      };
      CHECK(tree::count(19) == 1 << 19);  // 1,048,575 fibers
      hilo::wait_group all;
      for (int i = 0; i < 1'000'000; ++i) {
        all.add();
        hilo::spawn([&all] { all.done(); }).detach();
      }
      all.wait();
    });
  }
}

TEST_CASE("runtime: 100,000 parked fibers use no CPU") {
  if (HILO_ASAN || HILO_TSAN) HILO_SKIP("a sanitizer's own thread does");
  constexpr std::size_t many = 100'000;
  if (const std::string why = missing_stacks(many); !why.empty()) HILO_SKIP(why);
  hilo::run(hilo::runtime_options{.carriers = 2}, [] {
    hilo::event gate;
    std::vector<hilo::fiber<void>> all(many);
    for (auto& one : all) one = hilo::spawn([&] { gate.wait(); });
    hilo::sleep_for(std::chrono::seconds(2));  // what was busy comes to rest
    const auto cpu_time = [] {
      timespec used{};
      ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
      return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
    };
    const auto before = cpu_time();
    hilo::sleep_for(std::chrono::seconds(5));
    const auto used = cpu_time() - before;
    CHECK(used < std::chrono::milliseconds(20));
    MESSAGE("CPU time of 5 s: ",
            std::chrono::duration_cast<std::chrono::microseconds>(used).count(), " us");
    gate.set();
    for (auto& one : all) one.join();
  });
}
