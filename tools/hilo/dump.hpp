// hilo dump: all fibers of a process or core.
#pragma once

#include <span>

namespace hilo::command {

// The arguments behind "dump". Throws a failure.
void dump(std::span<char* const> arguments);

}  // namespace hilo::command
