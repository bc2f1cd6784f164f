// Refuses system calls as a sandbox does: by a filter of seccomp(2) for all threads of the process,
// for good. For use in a child process (death.hpp).
#pragma once

#include <optional>
#include <string>

namespace hilo::test {

// A call that is refused: all calls with this number, or those whose argument has this value.
struct refused_call {
  long number = 0;
  int error = 0;  // what it returns, an errno
  struct argument {
    unsigned index = 0;
    unsigned value = 0;  // of the lower half
  };
  std::optional<argument> only_with{};
};

// Installs the filter. False: the machine has no filters, or refuses them.
bool refuse(const refused_call& what) noexcept;

// For HILO_NEEDS (emulator.hpp): empty, or why refuse() does not work here. Tried in a child.
std::string missing_system_call_filters();

}  // namespace hilo::test
