// The pairs of pingpong.hpp as fibers.
#include <vector>

#include "hilo/fiber.hpp"
#include "hilo/mpi.hpp"
#include "hilo/runtime.hpp"

#include "bench/mpi/pingpong.hpp"

int main(int count, char** arguments) {
  bench::pingpong game = bench::from_arguments(count, arguments);
  return hilo::run({.carriers = 1}, [&] {
    const hilo::mpi::session mpi;
    game.rank = mpi.rank();
    MPI_Barrier(MPI_COMM_WORLD);
    const double begun = MPI_Wtime();
    std::vector<hilo::fiber<int>> all;
    for (int pair = 0; pair < game.pairs; ++pair) {
      all.push_back(hilo::spawn([&, pair] { return game.play(pair); }));
    }
    int wrong = 0;
    for (auto& one : all) wrong += one.join();
    return game.tell(wrong, MPI_Wtime() - begun);
  });
}
