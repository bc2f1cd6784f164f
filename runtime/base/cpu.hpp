// What the code assumes about a CPU and the standard does not name.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hilo::base {

// The distance between fields that different carriers write. 64 on every CPU hilo runs on. The
// standard's hardware_destructive_interference_size changes with compiler flags, so a layout must
// not depend on it.
inline constexpr std::size_t cache_line = 64;

// Tells the core that this is a spin loop. The core then gives its slots to the sibling
// hyperthread, and the loop ends without a memory-order mis-speculation.
inline void cpu_relax() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb" ::: "memory");  // "yield" is a no-op on most cores; isb waits some 10 ns
#elif defined(__riscv)
  asm volatile(".insn i 0x0F, 0, x0, x0, 0x010" ::: "memory");  // pause (Zihintpause), else a hint
#endif
}

// Begins to bring memory into the cache. The memory need not exist.
inline void fetch(const void* start, std::size_t bytes) noexcept {
  const auto first = reinterpret_cast<std::uintptr_t>(start) & ~(cache_line - 1);
  const auto end = reinterpret_cast<std::uintptr_t>(start) + bytes;
  for (std::uintptr_t line = first; line < end; line += cache_line) {
    __builtin_prefetch(reinterpret_cast<const void*>(line));
  }
}

}  // namespace hilo::base
