// Opening a FIFO, which waits until another process opens its other end.
//
// The plain system call cannot be interrupted. It would hold a carrier, or a thread with a limit,
// for ever. The ring opens in non-blocking mode and takes the result: a reader without a writer, or
// ENXIO. So hilo opens in non-blocking mode again and again, because no descriptor tells when the
// other end was opened.
#pragma once

#include <cstdint>

#include "runtime/io/port.hpp"
#include "runtime/io/request.hpp"

namespace hilo::io {

// Whether this openat would wait for the other end. It looks at the path, so it may wait for a
// disk.
bool opens_fifo(const request& one) noexcept;

// Makes such an openat. `fifo`: the descriptor that it opened before, or -1. Parks: until the other
// end is open, the deadline, a limit or a stop request.
outcome open_fifo(const request& one, std::int64_t deadline, int fifo = -1) noexcept;

// Goes on with a fiber's openat whose driver returned `first`, if the driver opened a FIFO too
// early.
outcome finish_open(const request& one, std::int64_t deadline, outcome first) noexcept;

}  // namespace hilo::io
