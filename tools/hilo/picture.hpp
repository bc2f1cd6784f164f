// All that a dump shows.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "tools/hilo/fiber_view.hpp"
#include "tools/hilo/layout.hpp"
#include "tools/hilo/runtimes.hpp"
#include "tools/hilo/target.hpp"
#include "tools/hilo/unwinder.hpp"

namespace hilo::command {

struct picture {
  std::string target;
  std::string program;
  bool still = false;  // nothing changed while it was taken
  std::optional<std::int64_t> now;
  std::vector<found_hilo> hilos;
  std::vector<runtime_view> runtimes;
  std::vector<fiber_view> fibers;
  std::vector<kernel_thread> threads;
  std::size_t missing_stacks = 0;                        // whose memory is not in the core
  std::unordered_map<address, std::string> reasons;      // by fiber_view::parked_on
  std::unordered_map<address, std::uint32_t> fibers_at;  // from control block to index

  const std::string& reason_of(const fiber_view& one) const;
  // For how long a waiting fiber has waited, to some 10 ms. Null if that is not known.
  std::optional<std::chrono::milliseconds> waited(const fiber_view& one) const;
  const fiber_view* fiber_at(address block) const;
  // What is printed of a fiber: `#7 "name"`.
  static std::string label(const fiber_view& one);
};

struct collecting {
  bool stacks = true;
  bool pause = false;
};

// Reads the target. With `pause` it is stopped meanwhile. `unwinds` is null if no stacks are
// wanted.
picture collect(target& where, const collecting& how, unwinder* unwinds);

// For collect(): finds out what each fiber does, and what it waits for.
void find_states(target& where, picture& all);
void find_awaited(target& where, picture& all);

}  // namespace hilo::command
