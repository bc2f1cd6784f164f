// For the programs that tests/mpi/run.py starts under mpirun: each is one test, in all ranks.
#pragma once

#include <cstdio>
#include <cstdlib>

#include <mpi.h>

namespace hilo::test {

// Ends the whole job if a promise is not kept.
[[noreturn]] inline void fail(const char* what, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: not so: %s\n", file, line, what);
  std::fflush(stderr);
  MPI_Abort(MPI_COMM_WORLD, 1);
  std::abort();
}

}  // namespace hilo::test

#define MUST(condition) \
  ((condition) ? static_cast<void>(0) : hilo::test::fail(#condition, __FILE__, __LINE__))
