#pragma once

#include <cstddef>
#include <cstdint>

namespace hilo::base {

// The last address at or below `at` that is a multiple of `alignment`, a power of two.
inline char* align_down(char* at, std::size_t alignment) noexcept {
  return reinterpret_cast<char*>(reinterpret_cast<std::uintptr_t>(at) & ~(alignment - 1));
}

}  // namespace hilo::base
