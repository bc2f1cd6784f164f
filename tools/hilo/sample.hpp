// What hilo top shows: a picture of the process, and what changed since the picture before.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tools/hilo/groups.hpp"
#include "tools/hilo/picture.hpp"

namespace hilo::command {

// Changes a second; 0 in the first sample.
struct worker_load {
  std::uint32_t runtime = 0;
  const worker_view* its = nullptr;
  double switches = 0, parks = 0, stolen = 0;
  double cpu = 0;  // of its thread: 1 is a whole CPU
};

struct load_group {
  group its;
  std::size_t fresh = 0;  // fibers that were not there in the sample before
};

// A fiber that has waited, or computed without a switch, for so long.
struct long_stay {
  const fiber_view* fiber = nullptr;
  std::chrono::nanoseconds time{0};
};

struct sample {
  std::chrono::steady_clock::time_point at;
  picture all;
  double spawned = 0, ended = 0, switches = 0, parks = 0, stolen = 0;
  std::map<fiber_state, std::size_t> states;
  std::vector<worker_load> workers;
  std::vector<load_group> groups;    // the largest first
  std::vector<long_stay> waiting;    // the longest first
  std::vector<long_stay> computing;  // likewise
};

class sampler {
 public:
  // Takes the next sample. Pointers in it point into it.
  void take(target& where, sample& into);

 private:
  struct counts {
    std::uint64_t switches = 0, parks = 0, stolen = 0, spawned = 0, ended = 0;
    address fiber = 0;
    std::chrono::steady_clock::time_point since;  // this fiber, and no switch
  };

  void take_workers(sample& into, double seconds);
  void take_fibers(sample& into);

  bool first_ = true;
  std::chrono::steady_clock::time_point last_;
  std::unordered_map<address, counts> workers_;        // by worker
  std::unordered_map<int, std::int64_t> cpu_;          // by thread, ns
  std::unordered_map<address, std::uint64_t> fibers_;  // numbers, by control block
};

// How the groups are sorted.
enum class top_order { count, state, reason, site };

// A sample as lines, and which of them show the groups.
struct top_text {
  std::vector<std::string> lines;
  std::size_t first_group = 0;
  std::size_t groups = 0;
};
top_text describe_sample(sample& one, symbols& names, top_order order, std::size_t most_groups);

}  // namespace hilo::command
