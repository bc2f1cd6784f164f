// The workloads of bench/ that the simulation runs. Each checks its answer, as the benchmarks do.
#pragma once

#include <array>
#include <cstdint>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

#include "bench/scaling/costs.hpp"
#include "bench/scaling/machine.hpp"

namespace scaling {

inline constexpr unsigned most_carriers = 256;

struct request {
  std::string workload;
  unsigned carriers = 1;
  unsigned cpus = 1;
  std::uint32_t seed = 1;
  std::uint64_t operations = 0;  // 0: as many as the workload has by default
  unsigned fibers = 0;           // pairs, senders, lockers. 0: as in the benchmark
  double work = 0;               // ns that each task computes, or each critical section
  unsigned batch = 32;           // mutex: pauses before a carrier asks for the lock
};

struct outcome {
  double ns = 0;  // of one operation
  double total_ns = 0;
  std::uint64_t operations = 0;
  double searching = 0, asleep = 0, without_cpu = 0;  // shares of all carriers' time
  std::uint64_t steals = 0;                           // fibers that were stolen
  std::uint64_t searches = 0, wakes = 0, naps = 0, switches = 0;
  std::array<std::uint64_t, parts> transfers{};  // of cache lines, by what they hold
  std::uint64_t all_transfers() const noexcept {
    return std::accumulate(transfers.begin(), transfers.end(), std::uint64_t{0});
  }
  std::uint64_t fibers_begun = 0, fibers_ended = 0, tasks_run_once = 0;
  std::string wrong;  // what is wrong with the answer; empty if nothing
};

struct workload_name {
  const char* name;
  const char* operation;  // what one operation is
  std::uint64_t operations;
};
const std::vector<workload_name>& workload_names();

outcome simulate(const costs& inputs, const request& wanted);

}  // namespace scaling
