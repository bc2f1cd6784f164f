// Communicators are made and ended by calls that wait for other ranks and have no non-blocking
// form.
#include <mpi.h>

#include "mpi/replace.hpp"

using hilo::mpi::detail::by_blocking;

extern "C" {

HILO_API int MPI_Buffer_detach(void* buffer, int* size) {
  return by_blocking("MPI_Buffer_detach", [&] { return PMPI_Buffer_detach(buffer, size); });
}

HILO_API int MPI_Comm_dup(MPI_Comm comm, MPI_Comm* made) {
  return by_blocking("MPI_Comm_dup", [&] { return PMPI_Comm_dup(comm, made); });
}

HILO_API int MPI_Comm_dup_with_info(MPI_Comm comm, MPI_Info info, MPI_Comm* made) {
  return by_blocking("MPI_Comm_dup_with_info",
                     [&] { return PMPI_Comm_dup_with_info(comm, info, made); });
}

HILO_API int MPI_Comm_create(MPI_Comm comm, MPI_Group group, MPI_Comm* made) {
  return by_blocking("MPI_Comm_create", [&] { return PMPI_Comm_create(comm, group, made); });
}

HILO_API int MPI_Comm_create_group(MPI_Comm comm, MPI_Group group, int tag, MPI_Comm* made) {
  return by_blocking("MPI_Comm_create_group",
                     [&] { return PMPI_Comm_create_group(comm, group, tag, made); });
}

HILO_API int MPI_Comm_split(MPI_Comm comm, int color, int key, MPI_Comm* made) {
  return by_blocking("MPI_Comm_split", [&] { return PMPI_Comm_split(comm, color, key, made); });
}

HILO_API int MPI_Comm_split_type(MPI_Comm comm, int type, int key, MPI_Info info, MPI_Comm* made) {
  return by_blocking("MPI_Comm_split_type",
                     [&] { return PMPI_Comm_split_type(comm, type, key, info, made); });
}

HILO_API int MPI_Comm_free(MPI_Comm* comm) {
  return by_blocking("MPI_Comm_free", [&] { return PMPI_Comm_free(comm); });
}

HILO_API int MPI_Comm_disconnect(MPI_Comm* comm) {
  return by_blocking("MPI_Comm_disconnect", [&] { return PMPI_Comm_disconnect(comm); });
}

HILO_API int MPI_Comm_accept(const char* port, MPI_Info info, int root, MPI_Comm comm,
                             MPI_Comm* made) {
  return by_blocking("MPI_Comm_accept",
                     [&] { return PMPI_Comm_accept(port, info, root, comm, made); });
}

HILO_API int MPI_Comm_connect(const char* port, MPI_Info info, int root, MPI_Comm comm,
                              MPI_Comm* made) {
  return by_blocking("MPI_Comm_connect",
                     [&] { return PMPI_Comm_connect(port, info, root, comm, made); });
}

HILO_API int MPI_Comm_join(int descriptor, MPI_Comm* made) {
  return by_blocking("MPI_Comm_join", [&] { return PMPI_Comm_join(descriptor, made); });
}

HILO_API int MPI_Comm_spawn(const char* command, char** arguments, int most, MPI_Info info,
                            int root, MPI_Comm comm, MPI_Comm* made, int* errors) {
  return by_blocking("MPI_Comm_spawn", [&] {
    return PMPI_Comm_spawn(command, arguments, most, info, root, comm, made, errors);
  });
}

HILO_API int MPI_Intercomm_create(MPI_Comm local, int leader, MPI_Comm peers, int peer, int tag,
                                  MPI_Comm* made) {
  return by_blocking("MPI_Intercomm_create",
                     [&] { return PMPI_Intercomm_create(local, leader, peers, peer, tag, made); });
}

HILO_API int MPI_Intercomm_merge(MPI_Comm comm, int high, MPI_Comm* made) {
  return by_blocking("MPI_Intercomm_merge", [&] { return PMPI_Intercomm_merge(comm, high, made); });
}

HILO_API int MPI_Cart_create(MPI_Comm comm, int dimensions, const int* sizes, const int* periods,
                             int reorder, MPI_Comm* made) {
  return by_blocking("MPI_Cart_create", [&] {
    return PMPI_Cart_create(comm, dimensions, sizes, periods, reorder, made);
  });
}

HILO_API int MPI_Cart_sub(MPI_Comm comm, const int* kept, MPI_Comm* made) {
  return by_blocking("MPI_Cart_sub", [&] { return PMPI_Cart_sub(comm, kept, made); });
}

HILO_API int MPI_Graph_create(MPI_Comm comm, int nodes, const int* index, const int* edges,
                              int reorder, MPI_Comm* made) {
  return by_blocking("MPI_Graph_create",
                     [&] { return PMPI_Graph_create(comm, nodes, index, edges, reorder, made); });
}

HILO_API int MPI_Dist_graph_create(MPI_Comm comm, int count, const int* sources, const int* degrees,
                                   const int* targets, const int* weights, MPI_Info info,
                                   int reorder, MPI_Comm* made) {
  return by_blocking("MPI_Dist_graph_create", [&] {
    return PMPI_Dist_graph_create(comm, count, sources, degrees, targets, weights, info, reorder,
                                  made);
  });
}

HILO_API int MPI_Dist_graph_create_adjacent(MPI_Comm comm, int in, const int* sources,
                                            const int* in_weights, int out, const int* targets,
                                            const int* out_weights, MPI_Info info, int reorder,
                                            MPI_Comm* made) {
  return by_blocking("MPI_Dist_graph_create_adjacent", [&] {
    return PMPI_Dist_graph_create_adjacent(comm, in, sources, in_weights, out, targets, out_weights,
                                           info, reorder, made);
  });
}

}  // extern "C"
