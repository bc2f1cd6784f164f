// Kernel threads that wait for each other: channels, a contended lock, and the word count. The same
// code over the standard library's primitives and over hilo's.
#pragma once

#include <array>
#include <iterator>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "bench/harness.hpp"
#include "bench/wordcount.hpp"
#include "bench/workloads.hpp"

namespace bench {

// Every value from 0 to messages - 1 goes through the channel once.
template <class Thread, template <class> class Channel, unsigned senders, unsigned receivers>
void through_channel(benchmark::State& state, unsigned) {
  for (auto _ : state) {
    Channel<std::uint64_t> channel(channel_capacity);
    std::array<std::uint64_t, receivers> sums{};
    std::array<Thread, receivers> receiving;
    std::array<Thread, senders> sending;
    for (unsigned i = 0; i < receivers; ++i) {
      receiving[i] = Thread([&, i] {
        std::uint64_t sum = 0;
        while (const auto value = channel.receive()) sum += *value;
        sums[i] = sum;
      });
    }
    for (unsigned i = 0; i < senders; ++i) {
      sending[i] = Thread([&, i] {
        for (std::uint64_t value = i; value < messages; value += senders) (void)channel.send(value);
      });
    }
    for (Thread& each : sending) each.join();
    channel.close();
    for (Thread& each : receiving) each.join();
    std::uint64_t sum = 0;
    for (const std::uint64_t part : sums) sum += part;
    expect("the sum of all messages", sum, message_sum);
  }
  set_operations(state, static_cast<double>(state.iterations()) * double(messages));
}

template <class Thread, class Mutex>
void mutex_8(benchmark::State& state, unsigned) {
  for (auto _ : state) {
    Mutex mutex;
    std::uint64_t count = 0;
    std::array<Thread, mutex_holders> threads;
    for (Thread& thread : threads) {
      thread = Thread([&] {
        for (std::uint64_t i = 0; i < increments / mutex_holders; ++i) {
          const std::scoped_lock lock(mutex);
          benchmark::DoNotOptimize(++count);
        }
      });
    }
    for (Thread& thread : threads) thread.join();
    expect("the count under the lock", count, increments);
  }
  set_operations(state, static_cast<double>(state.iterations()) * double(increments));
}

template <class Thread, template <class> class Channel>
void wordcount(benchmark::State& state, unsigned) {
  std::vector<file_words> all;
  for (auto _ : state) {
    Channel<std::string> paths(channel_capacity);
    std::array<std::vector<file_words>, wordcount_workers> parts;
    std::array<Thread, wordcount_workers> workers;
    for (unsigned i = 0; i < wordcount_workers; ++i) {
      workers[i] = Thread([&, i] {
        word_counter counter;
        while (auto path = paths.receive()) parts[i].push_back(counter.count(std::move(*path)));
      });
    }
    Thread walker([&] {
      walk_files(wordcount_tree(), [&](std::string path) { (void)paths.send(std::move(path)); });
      paths.close();
    });
    walker.join();
    for (Thread& worker : workers) worker.join();
    for (auto& part : parts) std::move(part.begin(), part.end(), std::back_inserter(all));
  }
  check_words(all);
  set_operations(state, static_cast<double>(state.iterations()));
}

}  // namespace bench
