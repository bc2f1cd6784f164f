// A token goes around a ring of ranks. Each rank adds its number to the token and passes it on.
#include <mpi.h>
#include <stdio.h>

enum { rounds = 100 };

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  int rank = 0;
  int size = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  const int next = (rank + 1) % size;
  const int previous = (rank + size - 1) % size;

  // With one rank there is no message, because a blocking send to itself may wait for ever.
  long token = 0;
  for (int round = 0; size > 1 && round < rounds; ++round) {
    if (rank == 0) {
      MPI_Send(&token, 1, MPI_LONG, next, round, MPI_COMM_WORLD);
      MPI_Recv(&token, 1, MPI_LONG, previous, round, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    } else {
      MPI_Recv(&token, 1, MPI_LONG, previous, round, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
      token += rank;
      MPI_Send(&token, 1, MPI_LONG, next, round, MPI_COMM_WORLD);
    }
  }

  const long right = (long)rounds * size * (size - 1) / 2;
  int wrong = 0;
  if (rank == 0 && token != right) {
    printf("ring: the token is %ld, not %ld\n", token, right);
    wrong = 1;
  } else if (rank == 0) {
    printf("ring: %d rounds, the token is right\n", rounds);
  }
  MPI_Finalize();
  return wrong;
}
