// What the tests must know of a user-mode emulator (qemu-user), under which the programs of another
// CPU run: how to start a program, and how to do less of what takes long.
//
// What the emulator lacks is found out by asking for it, so that a test runs as soon as it can.
#pragma once

#include <string>
#include <vector>

#include "tests/skip.hpp"

namespace hilo::test {

// Starts `program` in this process, as execv does, through the emulator that Meson names in
// MESON_EXE_WRAPPER if there is one. Returns only if that fails.
void execute(const std::string& program, const std::vector<std::string>& arguments);

// As many repetitions of a stress as this machine is meant to do: all, or the share that
// HILO_TEST_DIVISOR in the environment leaves. Never none.
int repetitions(int usual);

// Each is empty, or says what is missing, for HILO_SKIP.

// Marking the mutexes of a thread that ended (set_robust_list).
std::string missing_robust_lists();
// Limits on memory that are kept (RLIMIT_AS).
std::string missing_memory_limits();
// Figures in /proc/self/statm and smaps_rollup that are the program's own.
std::string missing_memory_figures();
// Any flags of clone but those of fork and of pthread_create.
std::string missing_clone_flags();
// A fork in one thread while others start threads.
std::string missing_fork_beside_threads();
// Signals that reach a thread which is just starting. Natively they wait for its first instruction.
std::string missing_signals_at_start();
// Signal masks in /proc that are the program's own.
std::string missing_signal_masks();

}  // namespace hilo::test

// HILO_NEEDS(robust_lists); at the head of a TEST_CASE.
#define HILO_NEEDS(what)                                                        \
  do {                                                                          \
    if (const std::string why = ::hilo::test::missing_##what(); !why.empty()) { \
      HILO_SKIP(why);                                                           \
    }                                                                           \
  } while (false)
