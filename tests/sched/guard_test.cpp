// Guards of stacks: on kernels that guard each with a mapping, where the kernel refuses guards
// later, and against frames larger than a page.

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <fstream>
#include <string>
#include <system_error>
#include <vector>

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hilo/latch.hpp"
#include "hilo/runtime.hpp"

#include "runtime/context/sanitizer.hpp"
#include "runtime/context/stack_arena.hpp"
#include "tests/death.hpp"
#include "tests/doctest.hpp"
#include "tests/emulator.hpp"
#include "tests/refusal.hpp"

namespace {

// Lets arenas take this kernel for an older one.
struct old_kernel {
  explicit old_kernel(std::size_t mappings) : support{.page_table = false, .mappings = mappings} {
    hilo::context::pretend_guard_support(&support);
  }
  ~old_kernel() { hilo::context::pretend_guard_support(nullptr); }
  old_kernel(const old_kernel&) = delete;
  old_kernel& operator=(const old_kernel&) = delete;
  hilo::context::guard_support support;
};

// How many fibers could be parked at once before one was refused, `most` at most.
std::size_t park_many(const hilo::runtime_options& options, std::size_t most,
                      std::string& refusal) {
  std::size_t parked = 0;
  hilo::run(options, [&] {
    hilo::event gate;
    std::vector<hilo::fiber<void>> all;
    try {
      while (all.size() < most) all.push_back(hilo::spawn([&] { gate.wait(); }));
    } catch (const std::system_error& error) {
      refusal = error.what();
    }
    parked = all.size();
    gate.set();
    for (auto& one : all) one.join();
  });
  return parked;
}

}  // namespace

TEST_CASE("runtime: where guards are mappings, spawn says so when the kernel allows no more") {
  const old_kernel pretended(2000);  // 363 guarded stacks, 1,274 mappings left to the program
  std::string refusal;
  const std::size_t parked = park_many({.carriers = 2}, 1000, refusal);
  CHECK(parked > 200);
  CHECK(parked <= 363);
  CHECK(refusal.find("hilo: cannot spawn a fiber: EAGAIN (this kernel guards each stack with a "
                     "mapping, and vm.max_map_count allows guards for 363 stacks") == 0);
  CHECK(refusal.find("set runtime_options.unguarded_stacks") != std::string::npos);
}

TEST_CASE("runtime: unguarded stacks, if asked for, take over where guards end") {
  const old_kernel pretended(2000);
  std::string refusal;
  CHECK(park_many({.carriers = 2, .unguarded_stacks = true}, 3000, refusal) == 3000);
  CHECK(refusal.empty());
}

namespace {

constexpr unsigned guard_install = 102;  // MADV_GUARD_INSTALL

// Parks fibers before and after `lock_down`, on more stacks than were open before.
hilo::test::child_end park_around(bool (*lock_down)(), unsigned carriers) {
  return hilo::test::run_in_child([&] {
    hilo::run({.carriers = carriers, .stack_reserve = std::size_t{64} << 20}, [&] {
      hilo::event gate;
      std::vector<hilo::fiber<void>> all;
      for (int i = 0; i < 10; ++i) all.push_back(hilo::spawn([&] { gate.wait(); }));
      if (!lock_down()) std::_Exit(77);
      for (int i = 0; i < 150; ++i) all.push_back(hilo::spawn([&] { gate.wait(); }));
      gate.set();
      for (auto& one : all) one.join();
    });
  });
}

// 20,000 bytes a frame, of which only the lowest is touched. The statements let the address escape,
// so that a compiler neither makes the frame smaller nor the recursion a loop.
[[gnu::noinline]] int go_deep(int levels) {
  char frame[20'000];
  static_cast<volatile char*>(frame)[0] = 1;
  asm volatile("" : : "r"(frame) : "memory");
  const int below = levels == 0 ? 1 : go_deep(levels - 1);
  asm volatile("" : : "r"(frame) : "memory");
  return below;
}

}  // namespace

TEST_CASE("runtime: fibers are still had once the program locks its memory") {
  if (hilo::context::sanitizing) HILO_SKIP("a sanitizer's shadow cannot be locked");
  for (const unsigned carriers : {1U, 2U}) {
    CAPTURE(carriers);
    const auto end = park_around(
        [] { return ::mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0; }, carriers);
    if (end.exited && end.code == 77) HILO_SKIP("this process may not lock its memory");
    CAPTURE(end.describe());
    CHECK(end.exited);
    CHECK(end.code == 0);
  }
}

TEST_CASE("runtime: fibers are still had once a filter refuses guards") {
  HILO_NEEDS(system_call_filters);
  for (const unsigned carriers : {1U, 2U}) {
    CAPTURE(carriers);
    const auto end = park_around(
        [] {
          return hilo::test::refuse(
              {.number = SYS_madvise, .error = EINVAL, .only_with = {{2, guard_install}}});
        },
        carriers);
    CAPTURE(end.describe());
    CHECK(end.exited);
    CHECK(end.code == 0);
  }
}

TEST_CASE("runtime: a stack that overflows by frames of many pages is reported") {
  if (hilo::context::sanitizing) HILO_SKIP("a sanitizer touches the whole of a frame");
  const auto end = hilo::test::run_in_child([] {
    hilo::run({.carriers = 1, .stack_size = 64 * 1024}, [] {
      hilo::event gate;
      std::vector<hilo::fiber<void>> neighbours;
      for (int i = 0; i < 40; ++i) neighbours.push_back(hilo::spawn([&] { gate.wait(); }));
      hilo::yield();
      (void)hilo::spawn([] { return go_deep(6); }).join();
      std::_Exit(3);
    });
  });
  CAPTURE(end.describe());
  CHECK_FALSE(end.exited);
  CHECK(end.says("hilo: stack overflow in fiber"));
}

TEST_CASE("runtime: a guard size beyond reason is refused") {
  CHECK_THROWS_AS(hilo::runtime({.carriers = 1, .guard_size = ~std::size_t{0}}), std::system_error);
  CHECK(hilo::run({.carriers = 1, .guard_size = 0}, [] { return 7; }) == 7);
}

TEST_CASE(
    "runtime: where RLIMIT_DATA counts stacks, as many as fit are had, and the error names it") {
  if (hilo::context::sanitizing) HILO_SKIP("a sanitizer maps more than the limit");
  HILO_NEEDS(memory_limits);
  const auto end = hilo::test::run_in_child([] {
    std::ifstream sizes("/proc/self/statm");
    rlim_t pages = 0;  // of data and stacks, the sixth number
    for (int i = 0; i < 6; ++i) sizes >> pages;
    const rlim_t limit = pages * static_cast<rlim_t>(::sysconf(_SC_PAGESIZE)) + (48 << 20);
    const rlimit few{.rlim_cur = limit, .rlim_max = limit};
    if (::setrlimit(RLIMIT_DATA, &few) != 0) std::_Exit(77);
    std::string refusal;
    const std::size_t parked = park_many({.carriers = 1}, 1000, refusal);
    if (parked < 60 || parked == 1000) std::_Exit(2);
    if (refusal.find("RLIMIT_DATA is ") == std::string::npos) std::_Exit(3);
  });
  CAPTURE(end.describe());
  CHECK(end.exited);
  CHECK(end.code == 0);
}
