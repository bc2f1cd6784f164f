// The work of a child until it becomes another program. It shares its parent's memory and its
// thread block while the parent's thread sleeps. So it only makes system calls, and writes only to
// its own stack and to the report.
#pragma once

#include <array>

#include "hilo/process.hpp"

namespace hilo::io {

// In memory that parent and child share, even if they share nothing else.
struct start_report {
  process_error::step at = process_error::step::exec;
  int error = 0;  // 0: the program runs
};

// Everything that the child needs. Made by its parent.
struct start_plan {
  std::array<int, 3> streams{-1, -1, -1};   // the descriptor that becomes each; -1: as it is
  long group = -1;                          // to join; 0: a new one; -1: stays
  const char* directory = nullptr;          // to change to; null: stays
  const char* const* candidates = nullptr;  // paths to try in turn; null ends each of these
  const char* const* arguments = nullptr;
  const char* const* environment = nullptr;
  start_report* report = nullptr;
};

// Becomes the program. Returns only if that fails, with the report written. All signals must be
// blocked.
int become_program(const start_plan& plan) noexcept;

}  // namespace hilo::io
