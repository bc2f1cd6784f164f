// Making kernel threads: one at a time, many at once, and a tree of them. The same code over
// std::thread and over hilo::thread, which have one interface.
#pragma once

#include <array>
#include <condition_variable>
#include <mutex>

#include "bench/harness.hpp"
#include "bench/workloads.hpp"

namespace bench {

template <class Thread>
void thread_create_join(benchmark::State& state, unsigned) {
  std::uint64_t ran = 0;  // the join orders each increment before the next
  for (auto _ : state) Thread([&] { ++ran; }).join();
  expect("the number of threads that ran", ran, static_cast<std::uint64_t>(state.iterations()));
  set_operations(state, static_cast<double>(state.iterations()));
}

// Eight creators at once, each making and joining its share one after the other.
template <class Thread>
void thread_create_join_8(benchmark::State& state, unsigned) {
  std::array<std::uint64_t, creators> ran{};
  for (auto _ : state) {
    std::array<Thread, creators> makers;
    for (unsigned i = 0; i < creators; ++i) {
      makers[i] = Thread([&, i] {
        for (std::uint64_t made = 0; made < created_threads / creators; ++made)
          Thread([&] { ++ran[i]; }).join();
      });
    }
    for (Thread& maker : makers) maker.join();
  }
  const double made = static_cast<double>(state.iterations()) * double(created_threads);
  std::uint64_t sum = 0;
  for (const std::uint64_t part : ran) sum += part;
  expect("the number of threads that ran", sum, static_cast<std::uint64_t>(made));
  set_operations(state, made);
}

template <class Thread>
void thread_create_join_alloc(benchmark::State& state, unsigned) {
  for (auto _ : state) Thread(allocate_and_free).join();
  set_operations(state, static_cast<double>(state.iterations()));
}

// Detached threads that count themselves down: the fast way, since a thread that waits for its join
// keeps its stack from being reused.
template <class Thread>
void spawn_many(benchmark::State& state, unsigned) {
  std::mutex mutex;
  std::condition_variable all_done;
  for (auto _ : state) {
    std::uint64_t left = spawned_threads;
    for (std::uint64_t i = 0; i < spawned_threads; ++i) {
      Thread([&] {
        const std::scoped_lock lock(mutex);
        if (--left == 0) all_done.notify_one();
      }).detach();
    }
    std::unique_lock lock(mutex);
    all_done.wait(lock, [&] { return left == 0; });
  }
  set_operations(state, static_cast<double>(state.iterations()) * double(spawned_threads));
}

template <class Thread>
std::uint64_t skynet_visit(std::uint64_t first, std::uint64_t leaves) {
  if (leaves == 1) return first;
  std::array<std::uint64_t, skynet_fan> answers;
  std::array<Thread, skynet_fan> children;
  const std::uint64_t share = leaves / skynet_fan;
  for (std::uint64_t i = 0; i < skynet_fan; ++i)
    children[i] = Thread([&, i] { answers[i] = skynet_visit<Thread>(first + i * share, share); });
  std::uint64_t sum = 0;
  for (std::uint64_t i = 0; i < skynet_fan; ++i) {
    children[i].join();
    sum += answers[i];
  }
  return sum;
}

// The root is a thread too, so that the number of nodes is the number of threads.
template <class Thread>
void skynet(benchmark::State& state, unsigned) {
  for (auto _ : state) {
    std::uint64_t answer = 0;
    Thread([&] { answer = skynet_visit<Thread>(0, skynet_leaves_of_threads); }).join();
    expect("skynet", answer, skynet_answer(skynet_leaves_of_threads));
  }
  set_operations(state,
                 static_cast<double>(state.iterations()) * skynet_share(skynet_leaves_of_threads));
}

// Parked threads: each waits for one condition that comes when the memory has been read.
template <class Thread>
void memory(benchmark::State& state, unsigned) {
  std::mutex mutex;
  std::condition_variable parked_one;
  std::condition_variable released;
  std::uint64_t parked = 0;
  bool release = false;
  std::array<Thread, parked_threads> threads;
  const memory_use before = current_memory();
  for (auto _ : state) {
    for (Thread& thread : threads) {
      thread = Thread([&] {
        std::unique_lock lock(mutex);
        ++parked;
        parked_one.notify_one();
        released.wait(lock, [&] { return release; });
      });
    }
    std::unique_lock lock(mutex);
    parked_one.wait(lock, [&] { return parked == parked_threads; });
  }
  set_memory(state, "memory", before, double(parked_threads));
  {
    const std::scoped_lock lock(mutex);
    release = true;
  }
  released.notify_all();
  for (Thread& thread : threads) thread.join();
}

}  // namespace bench
