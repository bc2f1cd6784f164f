// Code addresses in reports: as module+0xoffset, which addr2line(1) and gdb turn into a line.
#pragma once

#include <cstddef>

namespace hilo::base {

// Writes "/usr/bin/server+0x1a2b" into text, or "0x55d0c0ffee" if no file is mapped at the address.
// Reads /proc/self/maps, because the code that a signal interrupted may hold the lock of the
// dynamic linker's lists. Async-signal-safe.
void format_code_address(const void* address, char* text, std::size_t room) noexcept;

}  // namespace hilo::base
