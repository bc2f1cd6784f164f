// The product of two matrices: each rank computes some rows of it.
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

enum { side = 120 };

static double first(int row, int column) {
  return (row * 3 + column) % 10;
}
static double second(int row, int column) {
  return (row + column * 7) % 10;
}

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  int rank = 0;
  int size = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);

  // All ranks have equally many rows. If there are more rows than `side`, the last ones stay 0.
  const int rows = (side + size - 1) / size;
  const int part = rows * side;
  double* const a = calloc((size_t)(size * part), sizeof *a);
  double* const product = calloc((size_t)(size * part), sizeof *product);
  double* const b = calloc((size_t)(side * side), sizeof *b);
  double* const my_rows = calloc((size_t)part, sizeof *my_rows);
  double* const my_product = calloc((size_t)part, sizeof *my_product);
  if (rank == 0) {
    for (int i = 0; i < side; ++i) {
      for (int j = 0; j < side; ++j) {
        a[i * side + j] = first(i, j);
        b[i * side + j] = second(i, j);
      }
    }
  }

  MPI_Bcast(b, side * side, MPI_DOUBLE, 0, MPI_COMM_WORLD);
  MPI_Scatter(a, part, MPI_DOUBLE, my_rows, part, MPI_DOUBLE, 0, MPI_COMM_WORLD);
  for (int i = 0; i < rows; ++i) {
    for (int j = 0; j < side; ++j) {
      double sum = 0;
      for (int k = 0; k < side; ++k) sum += my_rows[i * side + k] * b[k * side + j];
      my_product[i * side + j] = sum;
    }
  }
  MPI_Gather(my_product, part, MPI_DOUBLE, product, part, MPI_DOUBLE, 0, MPI_COMM_WORLD);

  int wrong = 0;
  double total = 0;
  for (int i = 0; rank == 0 && i < side; ++i) {
    for (int j = 0; j < side; ++j) {
      double right = 0;
      for (int k = 0; k < side; ++k) right += first(i, k) * second(k, j);
      if (product[i * side + j] != right && !wrong) {
        printf("matrix: row %d, column %d is %g, not %g\n", i, j, product[i * side + j], right);
        wrong = 1;
      }
      total += right;
    }
  }
  if (rank == 0 && !wrong) printf("matrix: %d x %d, the sum is %.0f\n", side, side, total);
  free(a);
  free(product);
  free(b);
  free(my_rows);
  free(my_product);
  MPI_Finalize();
  return wrong;
}
