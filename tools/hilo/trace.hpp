// hilo trace.
#pragma once

#include <span>

namespace hilo::command {

void trace(std::span<char* const> arguments);

}  // namespace hilo::command
