// What the code assumes of a CPU that the standard does not name.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hilo::base {

// Fields written by different carriers stand this far apart. 64 on every CPU hilo runs on; the
// standard's hardware_destructive_interference_size changes with compiler flags, so it may not
// appear in a layout.
inline constexpr std::size_t cache_line = 64;

// Tells the core that this is a spin loop: it gives the sibling hyperthread its slots and leaves
// the loop without a memory-order mis-speculation.
inline void cpu_relax() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb" ::: "memory");  // "yield" is a no-op on most cores; isb waits some 10 ns
#elif defined(__riscv)
  asm volatile(".insn i 0x0F, 0, x0, x0, 0x010" ::: "memory");  // pause (Zihintpause), else a hint
#endif
}

// Begins to bring memory into the cache. It need not exist.
inline void fetch(const void* start, std::size_t bytes) noexcept {
  const auto first = reinterpret_cast<std::uintptr_t>(start) & ~(cache_line - 1);
  const auto end = reinterpret_cast<std::uintptr_t>(start) + bytes;
  for (std::uintptr_t line = first; line < end; line += cache_line) {
    __builtin_prefetch(reinterpret_cast<const void*>(line));
  }
}

}  // namespace hilo::base
