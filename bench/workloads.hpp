// The part of a workload that is the same in every implementation: its size, its answer, and code
// without threads.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdlib>

#include <benchmark/benchmark.h>

namespace bench {

// Messages in one pass through a channel, and the room of the bounded one.
inline constexpr std::uint64_t messages = 1 << 17;
inline constexpr std::size_t channel_capacity = 128;
inline constexpr std::uint64_t message_sum = messages * (messages - 1) / 2;

// Selects over four channels in one pass. All four are ready each time. At the end a quarter of
// their values is left, and which channel is taken is random.
inline constexpr std::uint64_t select_room = 1024;  // in each channel
inline constexpr std::uint64_t selects = 3 * select_room;
inline constexpr std::uint64_t select_sum = 4 * select_room * (4 * select_room - 1) / 2;

// Increments under one lock in one pass, shared by eight.
inline constexpr unsigned mutex_holders = 8;
inline constexpr std::uint64_t increments = 1 << 20;
// One of this many uses of a shared mutex is exclusive.
inline constexpr std::uint64_t exclusive_share = 8;

// Threads made and joined in one pass by creators that work at the same time.
inline constexpr unsigned creators = 8;
inline constexpr std::uint64_t created_threads = 2048;

// Yields in one pass, shared by two.
inline constexpr std::uint64_t yields = 1 << 16;

// Skynet: every node of a tree of fan 10 makes its children and adds up their answers; a leaf's
// answer is its number.
inline constexpr std::uint64_t skynet_fan = 10;
inline constexpr std::uint64_t skynet_leaves = 1'000'000;
constexpr std::uint64_t skynet_nodes(std::uint64_t leaves) {
  return leaves == 1 ? 1 : leaves + skynet_nodes(leaves / skynet_fan);
}
constexpr std::uint64_t skynet_answer(std::uint64_t leaves) {
  return leaves * (leaves - 1) / 2;
}
static_assert(skynet_nodes(skynet_leaves) == 1'111'111);
static_assert(skynet_answer(skynet_leaves) == 499'999'500'000);

// A million fibers are more than the kernel threads of a process can be (a thread is an entry in
// the kernel's table, 32,768 by default). Numbers for kernel threads, with the result given for one
// item or scaled:
inline constexpr std::uint64_t spawned_fibers = 1'000'000;
inline constexpr std::uint64_t spawned_threads = 5'000;
inline constexpr std::uint64_t skynet_leaves_of_threads = 1'000;
inline constexpr std::uint64_t skynet_leaves_of_boost = 100'000;  // the whole tree takes 10 s
inline constexpr std::uint64_t parked_fibers = 100'000;
inline constexpr std::uint64_t parked_threads = 2'000;

// The size of the smaller trees, as a part of skynet's tree.
constexpr double skynet_share(std::uint64_t leaves) {
  return double(skynet_nodes(leaves)) / double(skynet_nodes(skynet_leaves));
}

inline constexpr std::uint64_t a_million = 1'000'000;

// Timers: many fibers that sleep again and again, and a storm of single sleeps. The sleep of a
// number is 1 to 100 ms, random but the same for every implementation (SplitMix64 of the number, by
// Steele, Lea and Flood).
inline constexpr std::uint64_t timer_fibers = 10'000;
inline constexpr std::uint64_t timer_sleeps = 20;
inline constexpr std::uint64_t storm_fibers = 100'000;
constexpr std::chrono::nanoseconds sleep_time(std::uint64_t number) {
  std::uint64_t x = (number + 1) * 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return std::chrono::nanoseconds(1'000'000 + (x ^ (x >> 31)) % 99'000'001);
}

// The body of thread_create_join_alloc: 400 blocks of 16 bytes to 4 KiB, all held at once. malloc
// does not keep so many for a thread that ended, so a thread that starts cold pays for page faults.
inline void allocate_and_free() {
  std::array<void*, 400> blocks;
  std::size_t size = 16;
  for (void*& block : blocks) {
    block = std::malloc(size);
    benchmark::DoNotOptimize(block);
    size = 16 + (size * 37 + 4) % 4081;
  }
  for (void* block : blocks) std::free(block);
}

}  // namespace bench
