// What ends badly, and how: `ends WORD` does one wrong thing, which tests/mpi/run.py knows.
#include <chrono>
#include <csignal>
#include <cstdio>
#include <stdexcept>
#include <string_view>

#include <mpi.h>
#include <unistd.h>

#include "hilo/fiber.hpp"
#include "hilo/mpi.hpp"
#include "hilo/runtime.hpp"
#include "hilo/simulate.hpp"

#include "tests/mpi/ranks.hpp"

namespace {

using namespace std::chrono_literals;

int pass_around(const hilo::mpi::session& mpi) {
  int sum = 0;
  const int mine = mpi.rank() + 1;
  MUST(MPI_Allreduce(&mine, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD) == 0);
  MUST(sum == mpi.size() * (mpi.size() + 1) / 2);
  return 0;
}

int refused_session() {
  try {
    const hilo::mpi::session refused;
  } catch (const std::logic_error& error) {
    std::printf("refused: %s\n", error.what());
    return 0;
  }
  return 1;
}

int two_sessions() {
  const hilo::mpi::session first;
  return refused_session();
}

int after_the_end() {
  { const hilo::mpi::session first; }
  return refused_session();
}

int finalize_twice() {
  MPI_Init(nullptr, nullptr);
  MPI_Finalize();
  return MPI_Finalize() == MPI_SUCCESS ? 1 : 0;
}

int less(int level) {
  int granted = 0;
  PMPI_Init_thread(nullptr, nullptr, level, &granted);
  {
    const hilo::mpi::session mpi;
    MUST(mpi.thread_level() == level);
    pass_around(mpi);
  }
  int ended = 0;
  MPI_Finalized(&ended);
  MUST(ended == 0);  // the session leaves that to the code that initialised MPI
  return MPI_Finalize();
}

int while_it_waits() {
  int never = 0;
  {
    const hilo::mpi::session mpi;
    hilo::spawn([&] {
      MPI_Recv(&never, 1, MPI_INT, mpi.rank(), 5, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    }).detach();
    (void)hilo::sleep_for(50ms);
  }
  return 0;
}

int killed() {
  const hilo::mpi::session mpi;
  if (mpi.rank() == 1) ::kill(::getpid(), SIGKILL);
  int never = 0;
  MPI_Recv(&never, 1, MPI_INT, 1, 5, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
  return 0;
}

int in_simulation() {
  const hilo::mpi::session mpi;
  hilo::simulate(1, [] {
    int never = 0;
    MPI_Recv(&never, 1, MPI_INT, 0, 5, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
  });
  return 0;
}

int without_launcher() {
  const hilo::mpi::session mpi;
  return pass_around(mpi);
}

int run(std::string_view what) {
  if (what == "two_sessions") return two_sessions();
  if (what == "after_the_end") return after_the_end();
  if (what == "finalize_twice") return finalize_twice();
  if (what == "serialized") return less(MPI_THREAD_SERIALIZED);
  if (what == "funneled") return less(MPI_THREAD_FUNNELED);
  if (what == "while_it_waits") return while_it_waits();
  if (what == "killed") return killed();
  if (what == "without_launcher") return without_launcher();
  std::fprintf(stderr, "there is no end %.*s\n", static_cast<int>(what.size()), what.data());
  return 2;
}

}  // namespace

int main(int count, char** arguments) {
  const std::string_view what = count > 1 ? arguments[1] : "";
  if (what == "in_simulation") return in_simulation();
  hilo::runtime_options options{.carriers = 2};
  // One kernel thread for all fibers, also if a call of MPI's takes long.
  if (what == "funneled") options = {.carriers = 1, .stuck_after = 0ms};
  return hilo::run(options, [=] { return run(what); });
}
