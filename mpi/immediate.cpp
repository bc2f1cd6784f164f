// For Open MPI only: MPI's calls that return at once and that may bring in messages or cancel a
// receive. Each does what MPI says, and passes the gate (mpi/turn.hpp). The sends are here because
// a send to the own rank brings its message in.
#include <mpi.h>

#include "hilo/detail/api.hpp"

#include "mpi/turn.hpp"

using hilo::mpi::detail::turn;

extern "C" {

HILO_API int MPI_Test(MPI_Request* request, int* done, MPI_Status* about) {
  const turn mine;
  return PMPI_Test(request, done, about);
}

HILO_API int MPI_Testall(int count, MPI_Request* requests, int* done, MPI_Status* about) {
  const turn mine;
  return PMPI_Testall(count, requests, done, about);
}

HILO_API int MPI_Testany(int count, MPI_Request* requests, int* index, int* done,
                         MPI_Status* about) {
  const turn mine;
  return PMPI_Testany(count, requests, index, done, about);
}

HILO_API int MPI_Testsome(int count, MPI_Request* requests, int* found, int* indices,
                          MPI_Status* about) {
  const turn mine;
  return PMPI_Testsome(count, requests, found, indices, about);
}

HILO_API int MPI_Request_get_status(MPI_Request request, int* done, MPI_Status* about) {
  const turn mine;
  return PMPI_Request_get_status(request, done, about);
}

HILO_API int MPI_Iprobe(int from, int tag, MPI_Comm comm, int* there, MPI_Status* about) {
  const turn mine;
  return PMPI_Iprobe(from, tag, comm, there, about);
}

HILO_API int MPI_Improbe(int from, int tag, MPI_Comm comm, int* there, MPI_Message* message,
                         MPI_Status* about) {
  const turn mine;
  return PMPI_Improbe(from, tag, comm, there, message, about);
}

HILO_API int MPI_Isend(const void* data, int count, MPI_Datatype type, int to, int tag,
                       MPI_Comm comm, MPI_Request* request) {
  const turn mine;
  return PMPI_Isend(data, count, type, to, tag, comm, request);
}

HILO_API int MPI_Issend(const void* data, int count, MPI_Datatype type, int to, int tag,
                        MPI_Comm comm, MPI_Request* request) {
  const turn mine;
  return PMPI_Issend(data, count, type, to, tag, comm, request);
}

HILO_API int MPI_Irsend(const void* data, int count, MPI_Datatype type, int to, int tag,
                        MPI_Comm comm, MPI_Request* request) {
  const turn mine;
  return PMPI_Irsend(data, count, type, to, tag, comm, request);
}

HILO_API int MPI_Ibsend(const void* data, int count, MPI_Datatype type, int to, int tag,
                        MPI_Comm comm, MPI_Request* request) {
  const turn mine;
  return PMPI_Ibsend(data, count, type, to, tag, comm, request);
}

HILO_API int MPI_Start(MPI_Request* request) {
  const turn mine;
  return PMPI_Start(request);
}

HILO_API int MPI_Startall(int count, MPI_Request* requests) {
  const turn mine;
  return PMPI_Startall(count, requests);
}

HILO_API int MPI_Cancel(MPI_Request* request) {
  const turn mine(turn::alone);
  return PMPI_Cancel(request);
}

}  // extern "C"
