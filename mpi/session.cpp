#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>

#include "hilo/fiber.hpp"
#include "hilo/limit.hpp"
#include "hilo/mpi.hpp"

#include "mpi/progress.hpp"
#include "mpi/replace.hpp"

namespace hilo::mpi {
namespace {

std::atomic<bool> there_is_one{false};  // relaxed: guards nothing but itself

bool is(int (*state)(int*)) noexcept {
  int flag = 0;
  return state(&flag) == MPI_SUCCESS && flag != 0;
}

const char* name_of(int level) noexcept {
  switch (level) {
    case MPI_THREAD_SINGLE:
      return "MPI_THREAD_SINGLE";
    case MPI_THREAD_FUNNELED:
      return "MPI_THREAD_FUNNELED";
    case MPI_THREAD_SERIALIZED:
      return "MPI_THREAD_SERIALIZED";
    default:
      return "MPI_THREAD_MULTIPLE";
  }
}

// What the launchers set: Open MPI's, those of MPICH's family, Slurm's with PMI and PMIx.
bool was_launched() noexcept {
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_RANK", "PMI_SIZE", "PMIX_RANK"}) {
    if (std::getenv(name) != nullptr) return true;
  }
  return false;
}

}  // namespace

session::session() {
  if (is(PMPI_Finalized)) {
    throw std::logic_error("MPI was ended before, and cannot be initialised again in one process");
  }
  if (there_is_one.exchange(true, std::memory_order_relaxed)) {
    throw std::logic_error("there is an mpi::session already; a process has one at a time");
  }
  bool alone = false;
  if (!is(PMPI_Initialized)) {
    alone = !was_launched();  // before: MPI itself sets some of the variables
    int granted = 0;
    if (PMPI_Init_thread(nullptr, nullptr, MPI_THREAD_MULTIPLE, &granted) != MPI_SUCCESS) {
      there_is_one.store(false, std::memory_order_relaxed);
      throw std::runtime_error("MPI does not start (MPI_Init_thread failed)");
    }
    ends_mpi_ = true;
  }
  thread_level_ = detail::thread_level();
  PMPI_Comm_rank(MPI_COMM_WORLD, &rank_);
  PMPI_Comm_size(MPI_COMM_WORLD, &size_);
  if (thread_level_ < MPI_THREAD_MULTIPLE && rank_ == 0) {
    std::fprintf(stderr,
                 "hilo: MPI grants %s, not MPI_THREAD_MULTIPLE: its calls go through one lock%s\n",
                 name_of(thread_level_),
                 thread_level_ < MPI_THREAD_SERIALIZED ? " and must come from one carrier" : "");
  }
  if (size_ == 1 && alone) {
    std::fprintf(stderr,
                 "hilo: this process was not started by mpirun, so it is the only rank "
                 "(docs/mpi.md)\n");
  }
}

session::~session() {
  if (ends_mpi_) (void)MPI_Finalize();
  there_is_one.store(false, std::memory_order_relaxed);
}

}  // namespace hilo::mpi

using namespace hilo::mpi::detail;  // NOLINT: what follows is MPI's interface

namespace {

// The progress fiber ends at its next turn after the last wait.
bool becomes_idle() noexcept {
  for (int i = 0; i < 1000; ++i) {
    if (progress::of_process().idle()) return true;
    (void)hilo::shielded([] { return hilo::sleep_for(std::chrono::milliseconds(1)); });
  }
  return false;
}

}  // namespace

extern "C" {

// A program that was written for one thread gets MPI_THREAD_MULTIPLE as well, for its fibers.
HILO_API int MPI_Init(int* count, char*** arguments) {
  int granted = 0;
  return PMPI_Init_thread(count, arguments, MPI_THREAD_MULTIPLE, &granted);
}

HILO_API int MPI_Init_thread(int* count, char*** arguments, int, int* granted) {
  return PMPI_Init_thread(count, arguments, MPI_THREAD_MULTIPLE, granted);
}

HILO_API int MPI_Finalize() {
  int ended = 0;
  PMPI_Finalized(&ended);
  if (ended != 0) {
    std::fprintf(stderr, "hilo: MPI_Finalize was called again: MPI has ended already\n");
    return MPI_ERR_OTHER;
  }
  if (!becomes_idle()) {
    std::fprintf(stderr,
                 "hilo: MPI_Finalize while a fiber waits for MPI: end or join such fibers first, "
                 "and give up receives by mpi::cancel_receive\n");
    std::abort();
  }
  return by_blocking("MPI_Finalize", [] { return PMPI_Finalize(); });
}

}  // extern "C"
