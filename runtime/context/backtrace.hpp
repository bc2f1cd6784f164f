// The backtraces of suspended contexts, and of the caller.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/context/context.hpp"

namespace hilo::context {

// Writes the code addresses of the frames, the innermost first, to `code`; returns how many. Each
// lies inside the call that its frame made. The context must stay suspended (context::hold), and
// its stack ends at `top`. The innermost frames are left out as long as `left_out` says so of the
// address at which their function begins.
std::size_t walk_suspended(const context& one, const char* top,
                           bool (*left_out)(std::uintptr_t) noexcept, std::uintptr_t* code,
                           std::size_t room) noexcept;

// The same for the caller.
std::size_t walk_here(std::uintptr_t* code, std::size_t room) noexcept;

}  // namespace hilo::context
