// Writes to pipes that may have no reader, without SIGPIPE.
#pragma once

#include <cstddef>

namespace hilo::io {

// Writes as much as it can without a wait (request.hpp: attempt). Returns how much, or -errno.
// -EAGAIN: the pipe is full. -EPIPE: there is no reader, and no signal was raised.
long write_quietly(int fd, const void* data, std::size_t size) noexcept;

}  // namespace hilo::io
