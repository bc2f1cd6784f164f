// hilo info: what hilo uses on this machine, and why.
#pragma once

#include <span>

namespace hilo::command {

// The arguments behind "info". Throws a failure.
void info(std::span<char* const> arguments);

}  // namespace hilo::command
