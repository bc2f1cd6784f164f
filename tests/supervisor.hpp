// Runs a program whose system calls ask a supervisor first: it lets each of them pass, delays it,
// or refuses it by what it sees, such as a path (SECCOMP_RET_USER_NOTIF of seccomp(2)). A filter
// (refusal.hpp) sees only numbers. For use in a child process (death.hpp).
#pragma once

#include <functional>
#include <initializer_list>
#include <string>

namespace hilo::test {

// A call that waits for the supervisor's answer.
struct asked_call {
  long number = 0;
  unsigned long long arguments[6] = {};
  int caller = 0;   // its thread number: /proc/<caller> is the caller as this process sees it
  int memory = -1;  // /proc/<caller>/mem

  // The text at an address of the caller; empty if it cannot be read.
  std::string text_at(unsigned long long address) const;
};

// An answer: the call waits, and answer() is called again for it, some milliseconds later.
inline constexpr int ask_again = -1;

// Runs program() in a child, in which calls with these numbers ask. answer() runs in the calling
// process, which has one thread: it returns 0 to let the call pass, an errno, or ask_again. Returns
// the exit status of the child; -1 if a signal ended it, or if there is no such supervision here.
int run_supervised(const std::function<int()>& program, std::initializer_list<long> numbers,
                   const std::function<int(const asked_call&)>& answer);

// For HILO_NEEDS (emulator.hpp): empty, or why run_supervised() does not work here.
std::string missing_supervision();

}  // namespace hilo::test
