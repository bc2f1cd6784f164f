// Whether hilo::clone ever made a process that shares the memory of this one, and is not one of its
// threads. Such a process can wake fibers, and no list of this process's threads shows it.
#pragma once

#include <atomic>

namespace hilo::kernel {

// Set before the child exists. relaxed: the child inherits its maker's view of the memory.
inline constinit std::atomic<bool> shared_with_child{false};

inline bool memory_is_shared() noexcept {
  return shared_with_child.load(std::memory_order_relaxed);
}

}  // namespace hilo::kernel
