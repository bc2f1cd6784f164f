// One-sided communication: the calls that wait for other ranks have no non-blocking form. MPI_Put,
// MPI_Get and their like do not wait, and the requests of MPI_Rput and its like are waited for as
// all others.
#include <mpi.h>

#include "mpi/replace.hpp"

using hilo::mpi::detail::by_blocking;

extern "C" {

HILO_API int MPI_Win_create(void* base, MPI_Aint size, int unit, MPI_Info info, MPI_Comm comm,
                            MPI_Win* made) {
  return by_blocking("MPI_Win_create",
                     [&] { return PMPI_Win_create(base, size, unit, info, comm, made); });
}

HILO_API int MPI_Win_create_dynamic(MPI_Info info, MPI_Comm comm, MPI_Win* made) {
  return by_blocking("MPI_Win_create_dynamic",
                     [&] { return PMPI_Win_create_dynamic(info, comm, made); });
}

HILO_API int MPI_Win_allocate(MPI_Aint size, int unit, MPI_Info info, MPI_Comm comm, void* base,
                              MPI_Win* made) {
  return by_blocking("MPI_Win_allocate",
                     [&] { return PMPI_Win_allocate(size, unit, info, comm, base, made); });
}

HILO_API int MPI_Win_allocate_shared(MPI_Aint size, int unit, MPI_Info info, MPI_Comm comm,
                                     void* base, MPI_Win* made) {
  return by_blocking("MPI_Win_allocate_shared",
                     [&] { return PMPI_Win_allocate_shared(size, unit, info, comm, base, made); });
}

HILO_API int MPI_Win_free(MPI_Win* window) {
  return by_blocking("MPI_Win_free", [&] { return PMPI_Win_free(window); });
}

HILO_API int MPI_Win_fence(int assertion, MPI_Win window) {
  return by_blocking("MPI_Win_fence", [&] { return PMPI_Win_fence(assertion, window); });
}

HILO_API int MPI_Win_start(MPI_Group group, int assertion, MPI_Win window) {
  return by_blocking("MPI_Win_start", [&] { return PMPI_Win_start(group, assertion, window); });
}

HILO_API int MPI_Win_complete(MPI_Win window) {
  return by_blocking("MPI_Win_complete", [&] { return PMPI_Win_complete(window); });
}

HILO_API int MPI_Win_post(MPI_Group group, int assertion, MPI_Win window) {
  return by_blocking("MPI_Win_post", [&] { return PMPI_Win_post(group, assertion, window); });
}

HILO_API int MPI_Win_wait(MPI_Win window) {
  return by_blocking("MPI_Win_wait", [&] { return PMPI_Win_wait(window); });
}

HILO_API int MPI_Win_lock(int type, int rank, int assertion, MPI_Win window) {
  return by_blocking("MPI_Win_lock", [&] { return PMPI_Win_lock(type, rank, assertion, window); });
}

HILO_API int MPI_Win_lock_all(int assertion, MPI_Win window) {
  return by_blocking("MPI_Win_lock_all", [&] { return PMPI_Win_lock_all(assertion, window); });
}

HILO_API int MPI_Win_unlock(int rank, MPI_Win window) {
  return by_blocking("MPI_Win_unlock", [&] { return PMPI_Win_unlock(rank, window); });
}

HILO_API int MPI_Win_unlock_all(MPI_Win window) {
  return by_blocking("MPI_Win_unlock_all", [&] { return PMPI_Win_unlock_all(window); });
}

HILO_API int MPI_Win_flush(int rank, MPI_Win window) {
  return by_blocking("MPI_Win_flush", [&] { return PMPI_Win_flush(rank, window); });
}

HILO_API int MPI_Win_flush_all(MPI_Win window) {
  return by_blocking("MPI_Win_flush_all", [&] { return PMPI_Win_flush_all(window); });
}

HILO_API int MPI_Win_flush_local(int rank, MPI_Win window) {
  return by_blocking("MPI_Win_flush_local", [&] { return PMPI_Win_flush_local(rank, window); });
}

HILO_API int MPI_Win_flush_local_all(MPI_Win window) {
  return by_blocking("MPI_Win_flush_local_all", [&] { return PMPI_Win_flush_local_all(window); });
}

}  // extern "C"
