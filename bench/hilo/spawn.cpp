// Making fibers: one at a time, a million from one loop, and a tree of them.
#include <array>
#include <atomic>
#include <utility>
#include <vector>

#include "hilo/hilo.hpp"

#include "bench/harness.hpp"
#include "bench/hilo/workloads.hpp"
#include "bench/workloads.hpp"

namespace bench {

void spawn_join(benchmark::State& state, unsigned carriers) {
  hilo::run({.carriers = carriers}, [&] {
    std::uint64_t ran = 0;  // the join orders each increment before the next
    for (auto _ : state) hilo::spawn([&] { ++ran; }).join();
    expect("the number of fibers that ran", ran, static_cast<std::uint64_t>(state.iterations()));
  });
  set_operations(state, static_cast<double>(state.iterations()));
}

// Detached fibers that count themselves down; the last one tells the spawner.
void spawn_many(benchmark::State& state, unsigned carriers) {
  // Outlives the runtime: the last fiber may still be inside send when the word has arrived.
  hilo::channel<bool> all_done(1);
  std::atomic<std::uint64_t> left = 0;
  hilo::run({.carriers = carriers}, [&] {
    for (auto _ : state) {
      // relaxed: the spawns below publish it.
      left.store(spawned_fibers, std::memory_order_relaxed);
      for (std::uint64_t i = 0; i < spawned_fibers; ++i) {
        hilo::spawn([&] {
          // acq_rel: the last one sees what all the others did, as a join would.
          if (left.fetch_sub(1, std::memory_order_acq_rel) == 1) (void)all_done.send(true);
        }).detach();
      }
      expect("the word of the last fiber", all_done.receive().value_or(false), 1);
    }
  });
  set_operations(state, static_cast<double>(state.iterations()) * double(spawned_fibers));
}

namespace {

std::uint64_t visit(std::uint64_t first, std::uint64_t leaves) {
  if (leaves == 1) return first;
  const std::uint64_t share = leaves / skynet_fan;
  auto children = [&]<std::size_t... i>(std::index_sequence<i...>) {
    return std::array{
        hilo::spawn([child = first + i * share, share] { return visit(child, share); })...};
  }
  (std::make_index_sequence<skynet_fan>());
  std::uint64_t sum = 0;
  for (auto& child : children) sum += child.join();
  return sum;
}

}  // namespace

// The root is a fiber too, so that the number of nodes is the number of fibers.
void skynet(benchmark::State& state, unsigned carriers) {
  hilo::run({.carriers = carriers}, [&] {
    for (auto _ : state) {
      const std::uint64_t answer = hilo::spawn([] { return visit(0, skynet_leaves); }).join();
      expect("skynet", answer, skynet_answer(skynet_leaves));
    }
  });
  set_operations(state, static_cast<double>(state.iterations()));
}

// Parked fibers: each waits for a message that comes when the memory has been read. With one
// carrier, a fiber that has counted itself has parked by the time the spawner runs again.
void memory(benchmark::State& state, unsigned carriers) {
  hilo::run({.carriers = carriers}, [&] {
    hilo::channel<bool> release;
    std::atomic<std::uint64_t> parked = 0;
    std::vector<hilo::fiber<void>> fibers;
    fibers.reserve(parked_fibers);
    const std::uint64_t before = resident_bytes();
    for (auto _ : state) {
      for (std::uint64_t i = 0; i < parked_fibers; ++i) {
        fibers.push_back(hilo::spawn([&] {
          // relaxed: only the count matters, and one carrier runs everything in order.
          parked.fetch_add(1, std::memory_order_relaxed);
          (void)release.receive();
        }));
      }
      while (parked.load(std::memory_order_relaxed) != parked_fibers) hilo::yield();
    }
    set_bytes(state, double(resident_bytes() - before) / double(parked_fibers));
    release.close();
    for (auto& fiber : fibers) fiber.join();
  });
}

}  // namespace bench
