// Pairs of two ranks that pass a number to and fro, each pair with a tag of its own: what a fiber
// and what a thread does.
#pragma once

#include <cstdio>
#include <cstdlib>

#include <mpi.h>

namespace bench {

struct pingpong {
  int rank = 0;
  int pairs = 0;
  int rounds = 0;

  // One side of one pair. Returns how many answers were wrong.
  int play(int pair) const {
    const int other = 1 - rank;
    int wrong = 0;
    int number = 0;
    for (int round = 0; round < rounds; ++round) {
      if (rank == 0) {
        const int sent = round * 7 + pair;
        MPI_Send(&sent, 1, MPI_INT, other, pair, MPI_COMM_WORLD);
        MPI_Recv(&number, 1, MPI_INT, other, pair, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        if (number != sent + 1) ++wrong;
      } else {
        MPI_Recv(&number, 1, MPI_INT, other, pair, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        ++number;
        MPI_Send(&number, 1, MPI_INT, other, pair, MPI_COMM_WORLD);
      }
    }
    return wrong;
  }

  // Rank 0 prints the time for a message, unless an answer was wrong.
  int tell(int wrong, double seconds) const {
    if (wrong != 0) {
      std::fprintf(stderr, "%d wrong answers\n", wrong);
      return 1;
    }
    if (rank == 0) std::printf("%.1f\n", seconds * 1e9 / (2.0 * pairs * rounds));
    return 0;
  }
};

inline pingpong from_arguments(int count, char** arguments) {
  if (count != 3) {
    std::fprintf(stderr, "usage: %s PAIRS ROUNDS\n", arguments[0]);
    std::exit(2);
  }
  return {.pairs = std::atoi(arguments[1]), .rounds = std::atoi(arguments[2])};
}

}  // namespace bench
