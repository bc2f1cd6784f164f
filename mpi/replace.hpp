// How MPI's blocking calls are replaced (MPI 4.0, 15.2: the profiling interface). This library
// defines MPI_Recv, which calls PMPI_Irecv and parks. docs/mpi.md lists all of them.
#pragma once

#include <mpi.h>

#include "hilo/blocking.hpp"
#include "hilo/detail/waiter.hpp"

#include "mpi/turn.hpp"
#include "mpi/wait.hpp"

namespace hilo::mpi::detail {

// MPI leaves MPI_ERROR of a status alone where a call completes one operation.
inline void tell(MPI_Status* about, MPI_Status found) noexcept {
  if (about == MPI_STATUS_IGNORE) return;
  found.MPI_ERROR = about->MPI_ERROR;
  *about = found;
}

// The rest of a blocking call whose non-blocking form has begun.
inline int finish(const char* call, MPI_Request request, MPI_Status* about) noexcept {
  MPI_Status found;
  const outcome how = settle_all(call, {&request, 1}, &found, hilo::detail::until_woken);
  tell(about, found);
  return how.error;
}

// By the non-blocking form, start(request), in fibers and in kernel threads. For collective calls:
// MPI does not match a blocking one with a non-blocking one, so all ranks must make the same.
template <class Start>
int by_request(const char* call, MPI_Status* about, Start start) noexcept {
  MPI_Request request = MPI_REQUEST_NULL;
  {
    const turn mine;
    if (const int error = start(&request); error != MPI_SUCCESS) return error;
    // Most sends, and receives whose message is there, are complete now.
    int done = 0;
    MPI_Status found;
    const int error = PMPI_Test(&request, &done, &found);
    if (done != 0 || error != MPI_SUCCESS) {
      tell(about, found);
      hilo::detail::count_eager();
      return error;
    }
  }
  return finish(call, request, about);
}

// The same in fibers; in a kernel thread the original.
template <class Start, class Original>
int in_fibers(const char* call, MPI_Status* about, Start start, Original original) noexcept {
  if (!in_fiber(call) && is_multiple()) return original();
  return by_request(call, about, start);
}

// For calls without a non-blocking form: another carrier runs the other fibers meanwhile.
template <class Original>
int by_blocking(const char* call, Original original) noexcept {
  if (in_fiber(call) && is_multiple()) return hilo::blocking(original);
  const turn mine;
  return original();
}

}  // namespace hilo::mpi::detail
