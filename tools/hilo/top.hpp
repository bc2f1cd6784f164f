// hilo top: the fibers of a process, looked at again and again.
#pragma once

#include <span>

namespace hilo::command {

void top(std::span<char* const> arguments);

}  // namespace hilo::command
