// Unbalanced Tree Search: counts the nodes of a tree that is made while it is searched. The size of
// a subtree is known only at its end, so the ranks balance the work among them all the time.
//
//   $ mpirun -n 2 uts T1 --carriers 1
//   T1: 4130071 nodes, 3305118 leaves, depth 10
//   $ mpirun -n 2 uts -d 8 -b 4 -r 7
//
// Each rank has some fibers. Each fiber is a loop of blocking calls:
//
//   worker    Searches subtrees, depth first. There is one for each carrier. If the rank's pool is
//             empty, the worker gives it half of its nodes. A worker without nodes takes from it.
//   thief     Asks another rank for nodes when a worker waits and the pool is empty.
//   server    Answers the thieves of other ranks with half of the pool.
//   watcher   Passes on the token that detects the end of the search (Dijkstra, EWD 998: Safra).
//
// No fiber polls for messages: MPI_Recv parks, and a worker's yield() lets the other fibers run.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <hilo/hilo.hpp>
#include <hilo/mpi.hpp>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <mpi.h>

#include "uts_pool.hpp"
#include "uts_tree.hpp"

using namespace std::chrono_literals;

namespace {

enum tag { tag_request, tag_answer, tag_token };
constexpr std::size_t most_nodes = 512;           // in an answer
constexpr std::size_t least_to_give = 8;          // nodes of a worker
constexpr long nodes_between_yields = 64;         // some microseconds
constexpr long most_nodes_to_check = 10'000'000;  // serially, without --check

counts work(const tree& shape, pool& shared) {
  searcher search(shape);
  std::vector<node> stack;
  while (shared.take_half(stack)) {
    while (!stack.empty()) {
      for (long i = 0; i < nodes_between_yields && !stack.empty(); ++i) search.visit_newest(stack);
      if (shared.is_empty() && stack.size() >= least_to_give) shared.give_half(stack);
      hilo::yield();
    }
  }
  return search.seen();
}

void steal(const hilo::mpi::session& mpi, pool& shared) {
  std::minstd_rand random(static_cast<unsigned>(mpi.rank() + 1));
  std::uniform_int_distribution<int> distance(1, mpi.size() - 1);
  std::vector<node> loot(most_nodes);
  while (shared.wait_for_hunger()) {
    const int victim = (mpi.rank() + distance(random)) % mpi.size();
    MPI_Status about;
    MPI_Sendrecv(nullptr, 0, MPI_BYTE, victim, tag_request, loot.data(),
                 static_cast<int>(most_nodes * sizeof(node)), MPI_BYTE, victim, tag_answer,
                 MPI_COMM_WORLD, &about);
    int bytes = 0;
    MPI_Get_count(&about, MPI_BYTE, &bytes);
    if (bytes == 0) {
      hilo::sleep_for(100us);  // the others have little to do
    } else {
      shared.receive(loot.data(), static_cast<std::size_t>(bytes) / sizeof(node));
    }
  }
}

// Ends when the rank sends a request to itself.
void serve(const hilo::mpi::session& mpi, pool& shared) {
  for (;;) {
    MPI_Status request;
    MPI_Recv(nullptr, 0, MPI_BYTE, MPI_ANY_SOURCE, tag_request, MPI_COMM_WORLD, &request);
    if (request.MPI_SOURCE == mpi.rank()) return;
    const std::vector<node> nodes = shared.answer(most_nodes);
    MPI_Send(nodes.data(), static_cast<int>(nodes.size() * sizeof(node)), MPI_BYTE,
             request.MPI_SOURCE, tag_answer, MPI_COMM_WORLD);
  }
}

// The search has ended if the token goes around and no rank had nodes, or received any, and no
// nodes are under way.
void watch(const hilo::mpi::session& mpi, pool& shared) {
  const int next = (mpi.rank() + 1) % mpi.size();
  const int previous = (mpi.rank() + mpi.size() - 1) % mpi.size();
  token it;
  for (bool started = mpi.rank() != 0; it.end == 0; started = true) {
    if (started) {
      MPI_Recv(&it, sizeof it, MPI_BYTE, previous, tag_token, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    }
    if (it.end == 0) shared.pass(it);
    if (mpi.rank() == 0) {
      const bool end = mpi.size() == 1 || (started && it.black == 0 && it.under_way == 0);
      it = {.end = end};
    }
    if (next != 0 || it.end == 0)
      MPI_Send(&it, sizeof it, MPI_BYTE, next, tag_token, MPI_COMM_WORLD);
  }
  shared.end();
}

counts search_together(const hilo::mpi::session& mpi, const tree& shape, unsigned carriers) {
  pool shared(carriers);
  if (mpi.rank() == 0) {
    std::vector<node> root = {root_of(shape)};
    shared.give_half(root);
  }
  hilo::scope<counts> workers;
  for (unsigned i = 0; i < carriers; ++i) (void)workers.spawn([&] { return work(shape, shared); });
  hilo::fiber<void> server = hilo::spawn([&] { serve(mpi, shared); });
  hilo::fiber<void> watcher = hilo::spawn([&] { watch(mpi, shared); });
  if (mpi.size() > 1) steal(mpi, shared);
  watcher.join();

  counts mine;
  for (const counts& one : workers.join()) {
    mine.nodes += one.nodes;
    mine.leaves += one.leaves;
    mine.depth = std::max(mine.depth, one.depth);
  }
  MPI_Barrier(MPI_COMM_WORLD);  // all thieves have ended, so the servers may
  MPI_Send(nullptr, 0, MPI_BYTE, mpi.rank(), tag_request, MPI_COMM_WORLD);
  server.join();

  const auto reduce = [](long one, MPI_Op how) {
    long all = 0;
    MPI_Reduce(&one, &all, 1, MPI_LONG, how, 0, MPI_COMM_WORLD);
    return all;
  };
  return {reduce(mine.nodes, MPI_SUM), reduce(mine.leaves, MPI_SUM), reduce(mine.depth, MPI_MAX)};
}

struct arguments {
  tree shape;
  unsigned carriers = hilo::available_cpus();
  bool check = false;
  bool time = false;
};

// Returns false if the arguments make no sense.
bool parse(int argc, char** argv, arguments& into) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view option = argv[i];
    if (option == "T1") {
      into.shape = {"T1", 10, 4, 19, 4'130'071};
    } else if (option == "T1L") {
      into.shape = {"T1L", 13, 4, 29, 102'181'082};
    } else if (option == "--check") {
      into.check = true;
    } else if (option == "--time") {
      into.time = true;
    } else {
      if (i + 1 == argc) return false;
      const double value = std::atof(argv[++i]);
      if (option == "-d") {
        into.shape.depth = static_cast<int>(value);
      } else if (option == "-b") {
        into.shape.children = value;
      } else if (option == "-r") {
        into.shape.seed = static_cast<unsigned>(value);
      } else if (option == "--carriers") {
        into.carriers = static_cast<unsigned>(value);
      } else {
        return false;
      }
    }
  }
  return into.carriers > 0 && into.shape.depth > 0 && into.shape.children > 0;
}

// Returns the exit status.
int report(const arguments& given, const counts& found) {
  const tree& shape = given.shape;
  std::printf("%s: %ld nodes, %ld leaves, depth %ld\n", shape.name.c_str(), found.nodes,
              found.leaves, found.depth);
  long right = shape.known_nodes;
  if (given.check || (right == 0 && found.nodes <= most_nodes_to_check)) {
    right = search_serially(shape).nodes;
  }
  if (right == 0 || right == found.nodes) return 0;
  std::printf("wrong: the tree has %ld nodes\n", right);
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  arguments given{.shape = {.name = "tree"}};
  if (!parse(argc, argv, given)) {
    std::fputs("usage: uts T1|T1L|-d DEPTH -b CHILDREN -r SEED [--carriers N] [--check] [--time]\n",
               stderr);
    return 2;
  }
  return hilo::run({.carriers = given.carriers}, [&] {
    const hilo::mpi::session mpi;
    MPI_Barrier(MPI_COMM_WORLD);
    const double start = MPI_Wtime();
    const counts found = search_together(mpi, given.shape, given.carriers);
    if (mpi.rank() != 0) return 0;
    if (given.time) std::fprintf(stderr, "%.3f s\n", MPI_Wtime() - start);
    return report(given, found);
  });
}
