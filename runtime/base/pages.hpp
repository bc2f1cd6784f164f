// The kernel maps memory in pages. Who gives memory back tells its whole length, although munmap(2)
// rounds up by itself: the thread sanitizer forgets who used the memory only for the pages that it
// is told, and would take the next use of the addresses for a race.
#pragma once

#include <cstddef>

#include <unistd.h>

namespace hilo::base {

// Asked at each use. A constant of a source file would still be 0 for a runtime that the program
// constructs before the initialisers of that file have run.
inline std::size_t page_size() noexcept {
  return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

// Rounded up to whole pages.
inline std::size_t to_pages(std::size_t bytes) noexcept {
  const std::size_t page = page_size();
  return (bytes + page - 1) / page * page;
}

}  // namespace hilo::base
