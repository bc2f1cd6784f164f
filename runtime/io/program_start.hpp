// What a child does until it is another program. It shares its parent's memory, and its thread
// block, while the parent's thread sleeps: so it makes system calls and nothing else, and writes
// only to its own stack and to the report.
#pragma once

#include <array>

#include "hilo/process.hpp"

namespace hilo::io {

// In memory that parent and child share, even where they share nothing else.
struct start_report {
  process_error::step at = process_error::step::exec;
  int error = 0;  // 0: the program runs
};

// All that the child needs, made by its parent.
struct start_plan {
  std::array<int, 3> streams{-1, -1, -1};   // the descriptor that becomes each; -1: as it is
  const char* directory = nullptr;          // to change to; null: stays
  const char* const* candidates = nullptr;  // paths to try in turn; null ends each of these
  const char* const* arguments = nullptr;
  const char* const* environment = nullptr;
  start_report* report = nullptr;
};

// Becomes the program; returns only if that fails, with the report written. All signals are
// blocked.
int become_program(const start_plan& plan) noexcept;

}  // namespace hilo::io
