// MPI's own waits for requests.
#include <new>

#include <mpi.h>

#include "mpi/any_wait.hpp"
#include "mpi/replace.hpp"

using namespace hilo::mpi::detail;  // NOLINT: this file is about nothing else

extern "C" {

HILO_API int MPI_Wait(MPI_Request* request, MPI_Status* about) {
  if (!in_fiber("MPI_Wait") && is_multiple()) return PMPI_Wait(request, about);
  MPI_Status found;
  const outcome how = settle_all("MPI_Wait", {request, 1}, &found, hilo::detail::until_woken);
  tell(about, found);
  return how.error;
}

HILO_API int MPI_Waitall(int count, MPI_Request* requests, MPI_Status* about) {
  // Of a negative count MPI says what is wrong.
  if ((!in_fiber("MPI_Waitall") && is_multiple()) || count < 0) {
    return PMPI_Waitall(count, requests, about);
  }
  try {
    const outcome how = settle_all("MPI_Waitall", {requests, static_cast<std::size_t>(count)},
                                   about, hilo::detail::until_woken);
    return how.error == MPI_SUCCESS ? MPI_SUCCESS : MPI_ERR_IN_STATUS;
  } catch (const std::bad_alloc&) {
    return MPI_ERR_NO_MEM;
  }
}

HILO_API int MPI_Waitany(int count, MPI_Request* requests, int* index, MPI_Status* about) {
  if ((!in_fiber("MPI_Waitany") && is_multiple()) || count < 0) {
    return PMPI_Waitany(count, requests, index, about);
  }
  MPI_Status found;
  any_wait one({requests, static_cast<std::size_t>(count)}, &found);
  const outcome how = settle("MPI_Waitany", one, hilo::detail::until_woken);
  *index = one.index;
  if (how.error == MPI_SUCCESS) tell(about, found);
  return how.error;
}

HILO_API int MPI_Waitsome(int count, MPI_Request* requests, int* found, int* indices,
                          MPI_Status* about) {
  if ((!in_fiber("MPI_Waitsome") && is_multiple()) || count < 0) {
    return PMPI_Waitsome(count, requests, found, indices, about);
  }
  some_wait one({requests, static_cast<std::size_t>(count)}, indices, about);
  const outcome how = settle("MPI_Waitsome", one, hilo::detail::until_woken);
  *found = one.found;
  return how.error;
}

}  // extern "C"
