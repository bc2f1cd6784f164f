// Finds all living fibers of a runtime by its stacks, and copies what is needed of each.
#pragma once

#include <functional>

#include "tools/hilo/fiber_view.hpp"
#include "tools/hilo/runtimes.hpp"

namespace hilo::command {

// Called for each living fiber, with its frames if it is suspended and frames are wanted. The copy
// of the frames is gone after the call.
using take_fiber = std::function<void(const fiber_view& one, const frames_copy& frames)>;

// Returns the number of stacks whose control block should be there and is not in the memory.
std::size_t read_fibers(target& where, const runtime_view& its, bool with_frames,
                        const take_fiber& take);

}  // namespace hilo::command
