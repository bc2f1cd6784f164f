// The pairs of pingpong.hpp as kernel threads, by MPI alone; one pair: by the main thread of a
// program without threads.
#include <thread>
#include <vector>

#include <mpi.h>

#include "bench/mpi/pingpong.hpp"

int main(int count, char** arguments) {
  bench::pingpong game = bench::from_arguments(count, arguments);
  int granted = 0;
  const int wanted = game.pairs == 1 ? MPI_THREAD_SINGLE : MPI_THREAD_MULTIPLE;
  MPI_Init_thread(nullptr, nullptr, wanted, &granted);
  if (granted < wanted) return 3;
  MPI_Comm_rank(MPI_COMM_WORLD, &game.rank);
  MPI_Barrier(MPI_COMM_WORLD);
  const double begun = MPI_Wtime();
  std::vector<int> wrong(static_cast<std::size_t>(game.pairs));
  if (game.pairs == 1) {
    wrong[0] = game.play(0);
  } else {
    std::vector<std::thread> all;
    for (int pair = 0; pair < game.pairs; ++pair) {
      all.emplace_back([&, pair] { wrong[static_cast<std::size_t>(pair)] = game.play(pair); });
    }
    for (auto& one : all) one.join();
  }
  int sum = 0;
  for (const int one : wrong) sum += one;
  const int code = game.tell(sum, MPI_Wtime() - begun);
  MPI_Finalize();
  return code;
}
