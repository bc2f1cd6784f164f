// The runtimes of a target: their workers, queues and stacks.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_set>
#include <vector>

#include "tools/hilo/layout.hpp"

namespace hilo::command {

enum class worker_state : std::uint8_t { running, asleep, spare, retired };
const char* to_string(worker_state one) noexcept;

struct worker_view {
  address at = 0;
  unsigned index = 0;
  int thread = 0;
  worker_state state = worker_state::spare;
  address fiber = 0;      // that it runs; 0: none
  bool blocking = false;  // that fiber is inside hilo::blocking
  bool has_place = false;
  std::uint64_t switches = 0, parks = 0, stolen = 0, spawned = 0, ended = 0;  // so far
  std::uint64_t next = 0, fresh = 0, ready = 0, mail = 0;  // fibers in each of its queues
};

struct pool_view {
  address base = 0;
  std::uint64_t stride = 0, stack_size = 0;
  std::vector<std::uint64_t> built;  // a bit for each slot that has a control block
};

struct runtime_view {
  address at = 0;
  const found_hilo* hilo = nullptr;
  bool left_behind = false;  // by a fork: nothing of it runs in this process
  bool tells_time = false;   // it has a monitor, which keeps the coarse clock
  unsigned carriers = 0;
  std::vector<worker_view> workers;
  std::vector<pool_view> pools;
  std::vector<address> on_user_stacks;
  std::uint64_t injected = 0;
  std::uint64_t unjoined = 0;          // fibers that have ended and whose handles were not joined
  std::unordered_set<address> queued;  // fibers in any queue
};

// What changes while it is read is read in part.
runtime_view read_runtime(target& where, const found_hilo& its, address at);

}  // namespace hilo::command
