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

void visit_by_channel(hilo::channel<std::uint64_t>& answer, std::uint64_t first,
                      std::uint64_t leaves) {
  if (leaves == 1) return (void)answer.send(first);
  const std::uint64_t share = leaves / skynet_fan;
  std::uint64_t sum = 0;
  {
    hilo::channel<std::uint64_t> answers;
    std::array<hilo::fiber<void>, skynet_fan> children;  // joined before their channel goes
    for (std::uint64_t i = 0; i < skynet_fan; ++i) {
      children[i] = hilo::spawn([&answers, child = first + i * share, share] {
        visit_by_channel(answers, child, share);
      });
    }
    for (std::uint64_t i = 0; i < skynet_fan; ++i) sum += answers.receive().value_or(0);
  }
  (void)answer.send(sum);
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

// The same with the answers sent through unbuffered channels, one for the children of each node.
void skynet_channel(benchmark::State& state, unsigned carriers) {
  hilo::run({.carriers = carriers}, [&] {
    for (auto _ : state) {
      hilo::channel<std::uint64_t> answer;
      auto root = hilo::spawn([&] { visit_by_channel(answer, 0, skynet_leaves); });
      expect("skynet", answer.receive().value_or(0), skynet_answer(skynet_leaves));
      root.join();
    }
  });
  set_operations(state, static_cast<double>(state.iterations()));
}

}  // namespace bench
