// Thousands of fibers in each rank that wait for a message each: what they cost in memory, that
// they cost no CPU time while nothing comes, and that answers in any order reach the right one.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <random>
#include <string>
#include <vector>

#include <mpi.h>

#include "hilo/fiber.hpp"
#include "hilo/latch.hpp"
#include "hilo/mpi.hpp"
#include "hilo/runtime.hpp"

#include "tests/mpi/ranks.hpp"

namespace {

long resident_kib() {
  std::FILE* const file = std::fopen("/proc/self/status", "re");
  MUST(file != nullptr);
  char line[256];
  long size = -1;
  while (std::fgets(line, sizeof line, file) != nullptr) {
    if (std::strncmp(line, "VmRSS:", 6) == 0) size = std::stol(line + 6);
  }
  std::fclose(file);
  return size;
}

double cpu_seconds() {
  timespec time{};
  MUST(::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) == 0);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

int answer_of(int rank, int fiber) {
  return rank * 1'000'000 + fiber * 3 + 1;
}

}  // namespace

int main(int count, char** arguments) {
  const int fibers = count > 1 ? std::stoi(arguments[1]) : 10'000;
  const int quiet_ms = count > 2 ? std::stoi(arguments[2]) : 2'000;
  return hilo::run({.carriers = 1}, [&] {
    const hilo::mpi::session mpi;
    MUST(mpi.size() == 2);
    const int other = 1 - mpi.rank();
    // MPI takes memory for its first messages.
    int warm = 0;
    MPI_Sendrecv(&other, 1, MPI_INT, other, fibers, &warm, 1, MPI_INT, other, fibers,
                 MPI_COMM_WORLD, MPI_STATUS_IGNORE);

    const long before = resident_kib();
    hilo::wait_group waiting;
    std::vector<hilo::fiber<void>> all;
    all.reserve(static_cast<std::size_t>(fibers));
    for (int i = 0; i < fibers; ++i) {
      waiting.add();
      all.push_back(hilo::spawn([&, i] {
        int got = 0;
        waiting.done();
        MPI_Recv(&got, 1, MPI_INT, other, i, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        MUST(got == answer_of(other, i));
      }));
    }
    waiting.wait();
    (void)hilo::sleep_for(std::chrono::milliseconds(200));
    const double bytes = static_cast<double>(resident_kib() - before) * 1024 / fibers;

    const double cpu = cpu_seconds();
    (void)hilo::sleep_for(std::chrono::milliseconds(quiet_ms));
    const double share = (cpu_seconds() - cpu) / (quiet_ms * 1e-3) * 100;
    MPI_Barrier(MPI_COMM_WORLD);

    std::vector<int> order(static_cast<std::size_t>(fibers));
    for (int i = 0; i < fibers; ++i) order[static_cast<std::size_t>(i)] = i;
    std::shuffle(order.begin(), order.end(),
                 std::minstd_rand(static_cast<unsigned>(mpi.rank()) + 1));
    for (const int i : order) {
      const int answer = answer_of(mpi.rank(), i);
      MPI_Send(&answer, 1, MPI_INT, other, i, MPI_COMM_WORLD);
    }
    for (auto& one : all) one.join();
    std::printf("rank %d: %d fibers matched, %.0f bytes each, %.1f%% CPU while nothing came\n",
                mpi.rank(), fibers, bytes, share);
    return 0;
  });
}
