// Writes to pipes that nobody may be reading, without SIGPIPE.
#pragma once

#include <cstddef>

namespace hilo::io {

// Writes what need not wait (request.hpp: attempt). Returns how much, or -errno; -EAGAIN: the pipe
// is full; -EPIPE: nobody reads, and no signal came of it.
long write_quietly(int fd, const void* data, std::size_t size) noexcept;

}  // namespace hilo::io
