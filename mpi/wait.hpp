// Waiting for MPI: the way of all calls of this library, in fibers and in kernel threads.
#pragma once

#include <cstdint>
#include <span>

#include <mpi.h>

#include "hilo/detail/mpi_pending.hpp"
#include "hilo/status.hpp"

namespace hilo::mpi::detail {

// How a wait ended, and MPI's code of an operation that failed.
struct outcome {
  status end = status::ok;
  int error = MPI_SUCCESS;
};

// A question: tests each request of the wait that is not complete. True: all are.
bool ask_all(pending& one);

// Waits until the wait is over or the deadline has come (hilo/detail/deadline.hpp). `call` is the
// caller's name, for messages.
outcome settle(const char* call, pending& one, std::int64_t deadline) noexcept;

// Waits for all requests. Throws std::bad_alloc; then nothing was asked.
outcome settle_all(const char* call, std::span<MPI_Request> requests, MPI_Status* about,
                   std::int64_t deadline);

}  // namespace hilo::mpi::detail
