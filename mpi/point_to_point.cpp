// Sends, receives and probes.
#include <memory>
#include <new>

#include <mpi.h>

#include "mpi/any_wait.hpp"
#include "mpi/replace.hpp"

using namespace hilo::mpi::detail;  // NOLINT: this file is about nothing else

namespace {

int probe(const char* call, probe_wait&& one, MPI_Status* about) noexcept {
  const outcome how = settle(call, one, hilo::detail::until_woken);
  if (how.error == MPI_SUCCESS && about != MPI_STATUS_IGNORE) tell(about, *one.about);
  return how.error;
}

}  // namespace

extern "C" {

HILO_API int MPI_Send(const void* data, int count, MPI_Datatype type, int to, int tag,
                      MPI_Comm comm) {
  return in_fibers(
      "MPI_Send", MPI_STATUS_IGNORE,
      [&](MPI_Request* r) { return PMPI_Isend(data, count, type, to, tag, comm, r); },
      [&] { return PMPI_Send(data, count, type, to, tag, comm); });
}

HILO_API int MPI_Ssend(const void* data, int count, MPI_Datatype type, int to, int tag,
                       MPI_Comm comm) {
  return in_fibers(
      "MPI_Ssend", MPI_STATUS_IGNORE,
      [&](MPI_Request* r) { return PMPI_Issend(data, count, type, to, tag, comm, r); },
      [&] { return PMPI_Ssend(data, count, type, to, tag, comm); });
}

HILO_API int MPI_Rsend(const void* data, int count, MPI_Datatype type, int to, int tag,
                       MPI_Comm comm) {
  return in_fibers(
      "MPI_Rsend", MPI_STATUS_IGNORE,
      [&](MPI_Request* r) { return PMPI_Irsend(data, count, type, to, tag, comm, r); },
      [&] { return PMPI_Rsend(data, count, type, to, tag, comm); });
}

HILO_API int MPI_Recv(void* data, int count, MPI_Datatype type, int from, int tag, MPI_Comm comm,
                      MPI_Status* about) {
  return in_fibers(
      "MPI_Recv", about,
      [&](MPI_Request* r) { return PMPI_Irecv(data, count, type, from, tag, comm, r); },
      [&] { return PMPI_Recv(data, count, type, from, tag, comm, about); });
}

HILO_API int MPI_Mrecv(void* data, int count, MPI_Datatype type, MPI_Message* message,
                       MPI_Status* about) {
  return in_fibers(
      "MPI_Mrecv", about,
      [&](MPI_Request* r) { return PMPI_Imrecv(data, count, type, message, r); },
      [&] { return PMPI_Mrecv(data, count, type, message, about); });
}

HILO_API int MPI_Sendrecv(const void* out, int out_count, MPI_Datatype out_type, int to,
                          int out_tag, void* in, int in_count, MPI_Datatype in_type, int from,
                          int in_tag, MPI_Comm comm, MPI_Status* about) {
  if (!in_fiber("MPI_Sendrecv") && is_multiple()) {
    return PMPI_Sendrecv(out, out_count, out_type, to, out_tag, in, in_count, in_type, from, in_tag,
                         comm, about);
  }
  MPI_Request received = MPI_REQUEST_NULL;
  {
    const turn mine;
    const int error = PMPI_Irecv(in, in_count, in_type, from, in_tag, comm, &received);
    if (error != MPI_SUCCESS) return error;
  }
  const int sent = by_request("MPI_Sendrecv", MPI_STATUS_IGNORE, [&](MPI_Request* r) {
    return PMPI_Isend(out, out_count, out_type, to, out_tag, comm, r);
  });
  if (sent != MPI_SUCCESS) {
    const turn mine(turn::alone);
    PMPI_Cancel(&received);  // nothing may come for it
  }
  const int got = finish("MPI_Sendrecv", received, about);
  return sent != MPI_SUCCESS ? sent : got;
}

// What is sent is packed first, since the answer takes its place.
HILO_API int MPI_Sendrecv_replace(void* data, int count, MPI_Datatype type, int to, int out_tag,
                                  int from, int in_tag, MPI_Comm comm, MPI_Status* about) {
  if (!in_fiber("MPI_Sendrecv_replace") && is_multiple()) {
    return PMPI_Sendrecv_replace(data, count, type, to, out_tag, from, in_tag, comm, about);
  }
  int size = 0;
  if (const int error = PMPI_Pack_size(count, type, comm, &size); error != MPI_SUCCESS) {
    return error;
  }
  const std::unique_ptr<char[]> packed(new (std::nothrow) char[static_cast<std::size_t>(size) + 1]);
  if (packed == nullptr) return MPI_ERR_NO_MEM;
  int used = 0;
  const int error = PMPI_Pack(data, count, type, packed.get(), size, &used, comm);
  if (error != MPI_SUCCESS) return error;
  return MPI_Sendrecv(packed.get(), used, MPI_PACKED, to, out_tag, data, count, type, from, in_tag,
                      comm, about);
}

HILO_API int MPI_Probe(int from, int tag, MPI_Comm comm, MPI_Status* about) {
  if (!in_fiber("MPI_Probe") && is_multiple()) return PMPI_Probe(from, tag, comm, about);
  MPI_Status found;
  return probe("MPI_Probe", probe_wait(from, tag, comm, nullptr, &found), about);
}

HILO_API int MPI_Mprobe(int from, int tag, MPI_Comm comm, MPI_Message* message, MPI_Status* about) {
  if (!in_fiber("MPI_Mprobe") && is_multiple()) {
    return PMPI_Mprobe(from, tag, comm, message, about);
  }
  MPI_Status found;
  return probe("MPI_Mprobe", probe_wait(from, tag, comm, message, &found), about);
}

}  // extern "C"
