// Locks of kernel threads: alone, and eight threads after one lock. The same code over the standard
// library's locks and over hilo's kernel floor.
#pragma once

#include <array>
#include <mutex>
#include <shared_mutex>

#include "bench/harness.hpp"
#include "bench/workloads.hpp"

namespace bench {

// A lock that nobody else wants, in a process that has another thread: without one, libc leaves the
// atomic instructions of its mutex out, and no program that needs a mutex is in that state.
template <class Thread, class Mutex>
void uncontended(benchmark::State& state, unsigned) {
  Mutex gate;
  gate.lock();
  Thread other([&] { const std::scoped_lock wait(gate); });
  Mutex mutex;
  std::uint64_t count = 0;
  for (auto _ : state) {
    const std::scoped_lock lock(mutex);
    benchmark::DoNotOptimize(++count);
  }
  gate.unlock();
  other.join();
  expect("the count under the lock", count, static_cast<std::uint64_t>(state.iterations()));
  set_operations(state, static_cast<double>(state.iterations()));
}

// One of `exclusive_share` operations writes, the others read what was written.
template <class Thread, class SharedMutex>
void shared_mutex_8(benchmark::State& state, unsigned) {
  for (auto _ : state) {
    SharedMutex mutex;
    std::array<std::uint64_t, 4> counts{};  // all equal whenever no writer is inside
    std::array<std::uint64_t, mutex_holders> torn{};
    std::array<Thread, mutex_holders> threads;
    for (unsigned me = 0; me < mutex_holders; ++me) {
      threads[me] = Thread([&, me] {
        for (std::uint64_t i = 0; i < increments / mutex_holders; ++i) {
          if (i % exclusive_share == 0) {
            const std::scoped_lock writing(mutex);
            for (std::uint64_t& each : counts) benchmark::DoNotOptimize(++each);
          } else {
            const std::shared_lock reading(mutex);
            for (const std::uint64_t& each : counts) torn[me] += each != counts[0] ? 1 : 0;
          }
        }
      });
    }
    for (Thread& thread : threads) thread.join();
    for (const std::uint64_t each : torn) expect("the number of torn reads", each, 0);
    expect("the count under the lock", counts[3], increments / exclusive_share);
  }
  set_operations(state, static_cast<double>(state.iterations()) * double(increments));
}

}  // namespace bench
