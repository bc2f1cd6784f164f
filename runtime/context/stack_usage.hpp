// How much of a stack was ever used. Found by painting the stack before, or by the pages that have
// memory.
#pragma once

#include <cstddef>

namespace hilo::context {

// Fills [low, high) with a pattern that programs rarely write.
void paint_stack(char* low, char* high) noexcept;

// The lowest address in [low, top) that no longer has the pattern: from there up, bytes were used.
// May be called while the stack is in use.
const char* lowest_painted_over(const char* low, const char* top) noexcept;

// The lowest page in [low, top) that has memory, in RAM or swapped out. Returns low if that is the
// page that contains low, and top if there is none. Throws std::system_error if /proc/self/pagemap
// cannot be read.
const char* lowest_page_in_use(const char* low, const char* top);

}  // namespace hilo::context
