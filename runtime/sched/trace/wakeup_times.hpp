// The times from a wake to the run of the fiber that it woke, on one worker, for hilo/metrics.hpp.
//
// Nothing of this is on the paths of wakes and switches, unless it is asked for
// (runtime_options::measure_wakeups). Then all fibers of the runtime are special and keep more than
// registers (fiber.hpp). So each wake comes to scheduler::run_special(), which notes the time, and
// each switch comes to worker::switch_keeping(), which takes it. Both tests are made anyway.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "hilo/metrics.hpp"

#include "runtime/sched/trace/counter.hpp"

namespace hilo::sched {

// Written by its worker, read by any thread.
class wakeup_times {
 public:
  void add(std::int64_t time) noexcept {
    const auto ns = static_cast<std::uint64_t>(std::max<std::int64_t>(time, 0));
    const auto width = static_cast<std::size_t>(std::bit_width(ns));
    buckets_[std::min(width, buckets_.size() - 1)].add();
    sum_.add(ns);
  }
  void add_to(wakeup_histogram& sums) const noexcept {
    for (std::size_t i = 0; i < buckets_.size(); ++i) sums.buckets[i] += buckets_[i].read();
    sums.sum += std::chrono::nanoseconds(sum_.read());
  }

 private:
  std::array<counter, wakeup_histogram::bucket_count> buckets_;
  counter sum_;
};

}  // namespace hilo::sched
