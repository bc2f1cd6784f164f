// The kernel maps memory in pages. munmap(2) rounds a length up by itself. But the thread sanitizer
// forgets the uses of whole pages only, and would take the next use of the last addresses for a
// race. So lengths are rounded up here.
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
