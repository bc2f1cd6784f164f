// Waits that are over when MPI gives one answer of several: a question each (mpi/progress.hpp).
#pragma once

#include <span>

#include <mpi.h>

#include "hilo/detail/mpi_pending.hpp"

namespace hilo::mpi::detail {

// One of the requests is complete; `index` is its number.
struct any_wait : pending {
  any_wait(std::span<MPI_Request> its_requests, MPI_Status* its_about) noexcept
      : pending(its_requests, its_about, ask) {}

  int index = MPI_UNDEFINED;

 private:
  static bool ask(pending& one) {
    auto& self = static_cast<any_wait&>(one);
    int done = 0;
    MPI_Status found;
    self.error = PMPI_Testany(static_cast<int>(self.requests.size()), self.requests.data(),
                              &self.index, &done, &found);
    if (done == 0 && self.error == MPI_SUCCESS) return false;
    found.MPI_ERROR = self.error;
    if (self.about != MPI_STATUS_IGNORE) *self.about = found;
    return true;
  }
};

// Some of the requests are complete, as MPI_Waitsome.
struct some_wait : pending {
  some_wait(std::span<MPI_Request> its_requests, int* its_indices, MPI_Status* its_about) noexcept
      : pending(its_requests, its_about, ask), indices(its_indices) {}

  int* const indices;
  int found = 0;

 private:
  static bool ask(pending& one) {
    auto& self = static_cast<some_wait&>(one);
    self.error = PMPI_Testsome(static_cast<int>(self.requests.size()), self.requests.data(),
                               &self.found, self.indices, self.about);
    return self.error != MPI_SUCCESS || self.found != 0;
  }
};

// There is a message to receive, as MPI_Probe; with `message`, as MPI_Mprobe.
struct probe_wait : pending {
  probe_wait(int its_source, int its_tag, MPI_Comm its_comm, MPI_Message* its_message,
             MPI_Status* its_about) noexcept
      : pending({}, its_about, ask),
        source(its_source),
        tag(its_tag),
        comm(its_comm),
        message(its_message) {}

  const int source;
  const int tag;
  MPI_Comm comm;
  MPI_Message* const message;

 private:
  static bool ask(pending& one) {
    auto& self = static_cast<probe_wait&>(one);
    int there = 0;
    self.error =
        self.message != nullptr
            ? PMPI_Improbe(self.source, self.tag, self.comm, &there, self.message, self.about)
            : PMPI_Iprobe(self.source, self.tag, self.comm, &there, self.about);
    return self.error != MPI_SUCCESS || there != 0;
  }
};

}  // namespace hilo::mpi::detail
