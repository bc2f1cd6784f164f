// How much of a stack was ever used: by painting it before, or by the pages that have memory.
#pragma once

#include <cstddef>

namespace hilo::context {

// Fills [low, high) with a pattern that programs rarely write.
void paint_stack(char* low, char* high) noexcept;

// The lowest address in [low, top) that no longer has the pattern: bytes in use are from there up.
// May run while the stack is used.
const char* lowest_painted_over(const char* low, const char* top) noexcept;

// The lowest page in [low, top) that has memory, in RAM or swapped out; low for the page that holds
// it. Returns top if there is none. Throws std::system_error where /proc/self/pagemap cannot be
// read.
const char* lowest_page_in_use(const char* low, const char* top);

}  // namespace hilo::context
