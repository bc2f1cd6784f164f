// Jacobi's iteration for Laplace's equation on a square. On the border the solution is x + 2y, so
// the solution inside is x + 2y too. Each rank has some rows and swaps its outer rows with its
// neighbours.
#include <math.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

enum { side = 12, steps_between_checks = 10, most_steps = 100000 };

static double border(int row, int column) {
  return column + 2.0 * row;
}

static double greater(double a, double b) {
  return a > b ? a : b;
}

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  int rank = 0;
  int size = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);

  // Rows 1 to `side` are inside the square; row 0 and row side + 1 are its border. Here they are
  // numbered from the first one of this rank, and row 0 and row rows + 1 belong to the neighbours.
  const int first = side * rank / size;
  const int rows = side * (rank + 1) / size - first;
  const int width = side + 2;
  const size_t points = (size_t)((rows + 2) * width);
  double* now = calloc(points, sizeof *now);
  double* next = calloc(points, sizeof *next);
  for (int i = 0; i < rows + 2; ++i) {
    for (int j = 0; j < width; ++j) {
      const int outside = first + i == 0 || first + i == side + 1 || j == 0 || j == side + 1;
      if (outside) now[i * width + j] = next[i * width + j] = border(first + i, j);
    }
  }
  const int above = rank > 0 ? rank - 1 : MPI_PROC_NULL;
  const int below = rank < size - 1 ? rank + 1 : MPI_PROC_NULL;

  int steps = 0;
  for (double change = 1; change > 1e-7 && steps < most_steps; ++steps) {
    MPI_Sendrecv(&now[width], width, MPI_DOUBLE, above, 0, &now[(rows + 1) * width], width,
                 MPI_DOUBLE, below, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    MPI_Sendrecv(&now[rows * width], width, MPI_DOUBLE, below, 1, now, width, MPI_DOUBLE, above, 1,
                 MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    double mine = 0;
    for (int i = 1; i <= rows; ++i) {
      for (int j = 1; j <= side; ++j) {
        const int at = i * width + j;
        next[at] = 0.25 * (now[at - width] + now[at + width] + now[at - 1] + now[at + 1]);
        mine = greater(mine, fabs(next[at] - now[at]));
      }
    }
    double* const other = now;
    now = next;
    next = other;
    if (steps % steps_between_checks == 0) {
      MPI_Allreduce(&mine, &change, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
    }
  }

  double mine = 0;
  for (int i = 1; i <= rows; ++i) {
    for (int j = 1; j <= side; ++j) {
      mine = greater(mine, fabs(now[i * width + j] - border(first + i, j)));
    }
  }
  double error = 0;
  MPI_Reduce(&mine, &error, 1, MPI_DOUBLE, MPI_MAX, 0, MPI_COMM_WORLD);
  int wrong = 0;
  if (rank == 0 && !(error < 1e-5)) {
    printf("jacobi: the error is %g after %d steps\n", error, steps);
    wrong = 1;
  } else if (rank == 0) {
    printf("jacobi: %d x %d points, %d steps, right\n", side, side, steps);
  }
  free(now);
  free(next);
  MPI_Finalize();
  return wrong;
}
