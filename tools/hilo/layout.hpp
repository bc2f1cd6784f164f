// The structures of the hilo in a target: found by its root (runtime/tool/root.hpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "runtime/tool/fields.hpp"
#include "tools/hilo/target.hpp"

namespace hilo::command {

// The offsets and constants of one hilo, by their names in the table.
struct layout {
#define HILO_MEMBER(name, ...) std::uint32_t name = 0;
  HILO_FIELDS(HILO_MEMBER)
  HILO_CONSTANTS(HILO_MEMBER)
#undef HILO_MEMBER
};

// One hilo. A process may have several, for example one in a plugin that hides its symbols.
struct found_hilo {
  std::string module;  // the file that contains it
  std::string version;
  layout at;
  address root = 0;      // tool::root
  address registry = 0;  // sched::registry
  std::uint32_t room = 0;
  address trace = 0;              // sched::trace_wishes
  std::vector<address> runtimes;  // their schedulers
  std::uint32_t unlisted = 0;     // runtimes for which the registry had no room
  std::uint32_t process = 0;      // the number of this process in its line of forks
  std::uint32_t clock = 0;        // what its coarse clock shows; 0: it never ran
};

// Throws a failure if there is none, or if one has another version.
std::vector<found_hilo> find_hilos(target& where);

}  // namespace hilo::command
