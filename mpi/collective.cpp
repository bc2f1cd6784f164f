// Collective calls. In kernel threads as well they are made by the non-blocking form, because MPI
// does not match it with the blocking form, which another rank's fiber would not make.
#include <mpi.h>

#include "mpi/replace.hpp"

using hilo::mpi::detail::by_request;

extern "C" {

HILO_API int MPI_Barrier(MPI_Comm comm) {
  return by_request("MPI_Barrier", MPI_STATUS_IGNORE,
                    [&](MPI_Request* r) { return PMPI_Ibarrier(comm, r); });
}

HILO_API int MPI_Bcast(void* data, int count, MPI_Datatype type, int root, MPI_Comm comm) {
  return by_request("MPI_Bcast", MPI_STATUS_IGNORE,
                    [&](MPI_Request* r) { return PMPI_Ibcast(data, count, type, root, comm, r); });
}

HILO_API int MPI_Gather(const void* out, int out_count, MPI_Datatype out_type, void* in,
                        int in_count, MPI_Datatype in_type, int root, MPI_Comm comm) {
  return by_request("MPI_Gather", MPI_STATUS_IGNORE, [&](MPI_Request* r) {
    return PMPI_Igather(out, out_count, out_type, in, in_count, in_type, root, comm, r);
  });
}

HILO_API int MPI_Gatherv(const void* out, int out_count, MPI_Datatype out_type, void* in,
                         const int* in_counts, const int* places, MPI_Datatype in_type, int root,
                         MPI_Comm comm) {
  return by_request("MPI_Gatherv", MPI_STATUS_IGNORE, [&](MPI_Request* r) {
    return PMPI_Igatherv(out, out_count, out_type, in, in_counts, places, in_type, root, comm, r);
  });
}

HILO_API int MPI_Scatter(const void* out, int out_count, MPI_Datatype out_type, void* in,
                         int in_count, MPI_Datatype in_type, int root, MPI_Comm comm) {
  return by_request("MPI_Scatter", MPI_STATUS_IGNORE, [&](MPI_Request* r) {
    return PMPI_Iscatter(out, out_count, out_type, in, in_count, in_type, root, comm, r);
  });
}

HILO_API int MPI_Scatterv(const void* out, const int* out_counts, const int* places,
                          MPI_Datatype out_type, void* in, int in_count, MPI_Datatype in_type,
                          int root, MPI_Comm comm) {
  return by_request("MPI_Scatterv", MPI_STATUS_IGNORE, [&](MPI_Request* r) {
    return PMPI_Iscatterv(out, out_counts, places, out_type, in, in_count, in_type, root, comm, r);
  });
}

HILO_API int MPI_Allgather(const void* out, int out_count, MPI_Datatype out_type, void* in,
                           int in_count, MPI_Datatype in_type, MPI_Comm comm) {
  return by_request("MPI_Allgather", MPI_STATUS_IGNORE, [&](MPI_Request* r) {
    return PMPI_Iallgather(out, out_count, out_type, in, in_count, in_type, comm, r);
  });
}

HILO_API int MPI_Allgatherv(const void* out, int out_count, MPI_Datatype out_type, void* in,
                            const int* in_counts, const int* places, MPI_Datatype in_type,
                            MPI_Comm comm) {
  return by_request("MPI_Allgatherv", MPI_STATUS_IGNORE, [&](MPI_Request* r) {
    return PMPI_Iallgatherv(out, out_count, out_type, in, in_counts, places, in_type, comm, r);
  });
}

HILO_API int MPI_Alltoall(const void* out, int out_count, MPI_Datatype out_type, void* in,
                          int in_count, MPI_Datatype in_type, MPI_Comm comm) {
  return by_request("MPI_Alltoall", MPI_STATUS_IGNORE, [&](MPI_Request* r) {
    return PMPI_Ialltoall(out, out_count, out_type, in, in_count, in_type, comm, r);
  });
}

HILO_API int MPI_Alltoallv(const void* out, const int* out_counts, const int* out_places,
                           MPI_Datatype out_type, void* in, const int* in_counts,
                           const int* in_places, MPI_Datatype in_type, MPI_Comm comm) {
  return by_request("MPI_Alltoallv", MPI_STATUS_IGNORE, [&](MPI_Request* r) {
    return PMPI_Ialltoallv(out, out_counts, out_places, out_type, in, in_counts, in_places, in_type,
                           comm, r);
  });
}

HILO_API int MPI_Alltoallw(const void* out, const int* out_counts, const int* out_places,
                           const MPI_Datatype* out_types, void* in, const int* in_counts,
                           const int* in_places, const MPI_Datatype* in_types, MPI_Comm comm) {
  return by_request("MPI_Alltoallw", MPI_STATUS_IGNORE, [&](MPI_Request* r) {
    return PMPI_Ialltoallw(out, out_counts, out_places, out_types, in, in_counts, in_places,
                           in_types, comm, r);
  });
}

HILO_API int MPI_Reduce(const void* out, void* in, int count, MPI_Datatype type, MPI_Op op,
                        int root, MPI_Comm comm) {
  return by_request("MPI_Reduce", MPI_STATUS_IGNORE, [&](MPI_Request* r) {
    return PMPI_Ireduce(out, in, count, type, op, root, comm, r);
  });
}

HILO_API int MPI_Allreduce(const void* out, void* in, int count, MPI_Datatype type, MPI_Op op,
                           MPI_Comm comm) {
  return by_request("MPI_Allreduce", MPI_STATUS_IGNORE, [&](MPI_Request* r) {
    return PMPI_Iallreduce(out, in, count, type, op, comm, r);
  });
}

HILO_API int MPI_Reduce_scatter(const void* out, void* in, const int* in_counts, MPI_Datatype type,
                                MPI_Op op, MPI_Comm comm) {
  return by_request("MPI_Reduce_scatter", MPI_STATUS_IGNORE, [&](MPI_Request* r) {
    return PMPI_Ireduce_scatter(out, in, in_counts, type, op, comm, r);
  });
}

HILO_API int MPI_Reduce_scatter_block(const void* out, void* in, int in_count, MPI_Datatype type,
                                      MPI_Op op, MPI_Comm comm) {
  return by_request("MPI_Reduce_scatter_block", MPI_STATUS_IGNORE, [&](MPI_Request* r) {
    return PMPI_Ireduce_scatter_block(out, in, in_count, type, op, comm, r);
  });
}

HILO_API int MPI_Scan(const void* out, void* in, int count, MPI_Datatype type, MPI_Op op,
                      MPI_Comm comm) {
  return by_request("MPI_Scan", MPI_STATUS_IGNORE,
                    [&](MPI_Request* r) { return PMPI_Iscan(out, in, count, type, op, comm, r); });
}

HILO_API int MPI_Exscan(const void* out, void* in, int count, MPI_Datatype type, MPI_Op op,
                        MPI_Comm comm) {
  return by_request("MPI_Exscan", MPI_STATUS_IGNORE, [&](MPI_Request* r) {
    return PMPI_Iexscan(out, in, count, type, op, comm, r);
  });
}

HILO_API int MPI_Neighbor_allgather(const void* out, int out_count, MPI_Datatype out_type, void* in,
                                    int in_count, MPI_Datatype in_type, MPI_Comm comm) {
  return by_request("MPI_Neighbor_allgather", MPI_STATUS_IGNORE, [&](MPI_Request* r) {
    return PMPI_Ineighbor_allgather(out, out_count, out_type, in, in_count, in_type, comm, r);
  });
}

HILO_API int MPI_Neighbor_allgatherv(const void* out, int out_count, MPI_Datatype out_type,
                                     void* in, const int* in_counts, const int* places,
                                     MPI_Datatype in_type, MPI_Comm comm) {
  return by_request("MPI_Neighbor_allgatherv", MPI_STATUS_IGNORE, [&](MPI_Request* r) {
    return PMPI_Ineighbor_allgatherv(out, out_count, out_type, in, in_counts, places, in_type, comm,
                                     r);
  });
}

HILO_API int MPI_Neighbor_alltoall(const void* out, int out_count, MPI_Datatype out_type, void* in,
                                   int in_count, MPI_Datatype in_type, MPI_Comm comm) {
  return by_request("MPI_Neighbor_alltoall", MPI_STATUS_IGNORE, [&](MPI_Request* r) {
    return PMPI_Ineighbor_alltoall(out, out_count, out_type, in, in_count, in_type, comm, r);
  });
}

HILO_API int MPI_Neighbor_alltoallv(const void* out, const int* out_counts, const int* out_places,
                                    MPI_Datatype out_type, void* in, const int* in_counts,
                                    const int* in_places, MPI_Datatype in_type, MPI_Comm comm) {
  return by_request("MPI_Neighbor_alltoallv", MPI_STATUS_IGNORE, [&](MPI_Request* r) {
    return PMPI_Ineighbor_alltoallv(out, out_counts, out_places, out_type, in, in_counts, in_places,
                                    in_type, comm, r);
  });
}

HILO_API int MPI_Neighbor_alltoallw(const void* out, const int* out_counts,
                                    const MPI_Aint* out_places, const MPI_Datatype* out_types,
                                    void* in, const int* in_counts, const MPI_Aint* in_places,
                                    const MPI_Datatype* in_types, MPI_Comm comm) {
  return by_request("MPI_Neighbor_alltoallw", MPI_STATUS_IGNORE, [&](MPI_Request* r) {
    return PMPI_Ineighbor_alltoallw(out, out_counts, out_places, out_types, in, in_counts,
                                    in_places, in_types, comm, r);
  });
}

}  // extern "C"
