// Stacks on kernels that guard each with a mapping, of which there may be too few.

#include <cstddef>
#include <string>
#include <system_error>
#include <vector>

#include "hilo/latch.hpp"
#include "hilo/runtime.hpp"

#include "runtime/context/stack_arena.hpp"
#include "tests/doctest.hpp"

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
