// The command line of bench_scaling.
#pragma once

#include <string>
#include <vector>

#include "bench/scaling/costs.hpp"
#include "bench/scaling/workloads.hpp"

namespace scaling {

struct options {
  costs inputs;
  std::vector<std::string> workloads;  // all, if none is named
  std::vector<unsigned> carriers = {1, 2, 4, 8, 16, 32, 64, 128, 256};
  unsigned cpus = 0;  // 0: as many as carriers
  std::uint32_t seed = 1;
  std::uint64_t operations = 0;
  unsigned fibers = 0;
  bool fibers_per_carrier = false;
  double work = 0;
  unsigned batch = 32;
  bool json = false;
  bool print_costs = false;
  bool help = false;
  std::string check;  // a file of measured figures
  double tolerance = 0.3;

  request of(const std::string& workload, unsigned count) const;
};

extern const char* const usage;

// Returns what is wrong with the words; empty if nothing.
std::string read_options(options& into, const std::vector<std::string>& words);

}  // namespace scaling
