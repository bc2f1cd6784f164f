// Heat in a plate: each point of a grid takes the mean of its four neighbours, again and again. The
// grid is cut into square blocks. Each block has a fiber, and each rank has some rows of blocks.
//
//   $ mpirun -n 4 stencil
//   $ mpirun -n 4 stencil POINTS STEPS
//
// In each step a block gets the edges of its neighbours: of a block in the same rank through a
// channel, of a block in another rank by MPI_Sendrecv. A fiber that waits for an edge parks, and
// other blocks of the rank compute meanwhile.
#include <array>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <hilo/hilo.hpp>
#include <hilo/mpi.hpp>
#include <utility>
#include <vector>

#include <mpi.h>

namespace {

std::size_t index(int number) {
  return static_cast<std::size_t>(number);
}

constexpr int block_side = 32;  // points

// The ranks share the rows of blocks evenly. With many ranks, some have none.
struct problem {
  int side;  // points
  int steps;
  int ranks;

  int blocks() const { return side / block_side; }  // along a side
  int first_row(int rank) const { return blocks() * rank / ranks; }
  int rank_of(int row) const {
    if (row < 0 || row >= blocks()) return MPI_PROC_NULL;
    int rank = 0;
    while (row >= first_row(rank + 1)) ++rank;
    return rank;
  }
};

// A square of points with one more point on each side, at -1 and at `side`.
class square {
 public:
  explicit square(int side, int top = 0, int left = 0) : side_(side) {
    points_.resize(index((side + 2) * (side + 2)));
    for (int i = 0; i < side; ++i) {
      for (int j = 0; j < side; ++j) at(i, j) = ((top + i) * 7 + (left + j) * 3) % 22;
    }
  }
  int side() const { return side_; }
  double& at(int row, int column) { return points_[index((row + 1) * (side_ + 2) + column + 1)]; }

 private:
  int side_;
  std::vector<double> points_;
};

// Both computations call this one function, so both have the same rounding.
[[gnu::noinline]] void step(square& from, square& to) {
  for (int i = 0; i < from.side(); ++i) {
    for (int j = 0; j < from.side(); ++j) {
      to.at(i, j) =
          0.25 * (from.at(i - 1, j) + from.at(i + 1, j) + from.at(i, j - 1) + from.at(i, j + 1));
    }
  }
}

using edge = std::array<double, block_side>;
enum side { above, below, left, right };
constexpr side sides[] = {above, below, left, right};

constexpr side opposite(side one) {
  constexpr side others[] = {below, above, right, left};
  return others[one];
}

class block {
 public:
  block(const problem& all, int row, int column)
      : all_(all),
        row_(row),
        column_(column),
        now_(block_side, row * block_side, column * block_side) {}

  // Tells both blocks that they are neighbours in one rank.
  void connect(side where, block& other) {
    neighbours_[where] = &other;
    other.neighbours_[opposite(where)] = this;
  }

  void run() {
    for (int i = 0; i < all_.steps; ++i) {
      for (side one : sides) send(one);
      for (side one : sides) receive(one);
      step(now_, next_);
      std::swap(now_, next_);
    }
  }

  const double* row_of_points(int row) { return &now_.at(row, 0); }

 private:
  // The points along a side: the block's own, or those of the neighbour.
  double& point(side where, int i, bool outside) {
    const int first = outside ? -1 : 0;
    const int last = block_side - 1 - first;
    if (where == above) return now_.at(first, i);
    if (where == below) return now_.at(last, i);
    return now_.at(i, where == left ? first : last);
  }
  edge own_edge(side where) {
    edge points;
    for (int i = 0; i < block_side; ++i)
      points[static_cast<std::size_t>(i)] = point(where, i, false);
    return points;
  }

  // The channel has room for one edge, so the neighbour may be a step behind. The block that is
  // behind all others never waits here, so the blocks cannot wait in a circle.
  void send(side where) {
    block* const other = neighbours_[where];
    if (other != nullptr) (void)other->edges_[opposite(where)].send(own_edge(where));
  }

  void receive(side where) {
    const edge points =
        neighbours_[where] != nullptr ? edges_[where].receive().value() : exchange(where);
    for (int i = 0; i < block_side; ++i)
      point(where, i, true) = points[static_cast<std::size_t>(i)];
  }

  // Swaps edges with a block in another rank. The tag names the block that receives, and its side.
  // Behind the end of the plate is MPI_PROC_NULL, which sends nothing: it is 0 degrees there.
  edge exchange(side where) {
    const int row = where == above ? row_ - 1 : where == below ? row_ + 1 : row_;
    const int other = where == left || where == right ? MPI_PROC_NULL : all_.rank_of(row);
    const edge mine = own_edge(where);
    edge points{};
    MPI_Sendrecv(mine.data(), block_side, MPI_DOUBLE, other, tag(row, opposite(where)),
                 points.data(), block_side, MPI_DOUBLE, other, tag(row_, where), MPI_COMM_WORLD,
                 MPI_STATUS_IGNORE);
    return points;
  }
  int tag(int row, side where) const {
    return row < 0 ? 0 : (row * all_.blocks() + column_) * 4 + where;
  }

  const problem& all_;
  const int row_;
  const int column_;
  square now_;
  square next_{block_side};
  block* neighbours_[4] = {};  // null: in another rank, or the plate ends
  hilo::channel<edge> edges_[4] = {hilo::channel<edge>(1), hilo::channel<edge>(1),
                                   hilo::channel<edge>(1), hilo::channel<edge>(1)};
};

// Returns the points of the rows of blocks that this rank has.
std::vector<double> compute(const problem& all, int rank) {
  const int columns = all.blocks();
  const int rows = all.first_row(rank + 1) - all.first_row(rank);
  std::deque<block> blocks;
  const auto at = [&](int row, int column) -> block& {
    return blocks[index(row * columns + column)];
  };
  for (int row = 0; row < rows; ++row) {
    for (int column = 0; column < columns; ++column) {
      block& one = blocks.emplace_back(all, all.first_row(rank) + row, column);
      if (column > 0) one.connect(left, at(row, column - 1));
      if (row > 0) one.connect(above, at(row - 1, column));
    }
  }
  hilo::scope<> fibers;
  for (block& one : blocks) (void)fibers.spawn([&] { one.run(); });
  fibers.join();

  std::vector<double> points;
  for (int i = 0; i < rows * block_side; ++i) {
    for (int column = 0; column < columns; ++column) {
      const double* const from = at(i / block_side, column).row_of_points(i % block_side);
      points.insert(points.end(), from, from + block_side);
    }
  }
  return points;
}

// Returns all points at rank 0.
std::vector<double> gather(const problem& all, int rank, const std::vector<double>& mine) {
  const int in_row = block_side * all.side;  // points in a row of blocks
  std::vector<double> points;
  std::vector<int> counts;
  std::vector<int> places;
  for (int i = 0; i < all.ranks; ++i) {
    counts.push_back((all.first_row(i + 1) - all.first_row(i)) * in_row);
    places.push_back(all.first_row(i) * in_row);
  }
  if (rank == 0) points.resize(index(all.side * all.side));
  MPI_Gatherv(mine.data(), static_cast<int>(mine.size()), MPI_DOUBLE, points.data(), counts.data(),
              places.data(), MPI_DOUBLE, 0, MPI_COMM_WORLD);
  return points;
}

// Returns the exit status.
int check(const problem& all, const std::vector<double>& points) {
  square now(all.side);
  square next(all.side);
  for (int i = 0; i < all.steps; ++i) {
    step(now, next);
    std::swap(now, next);
  }
  double sum = 0;
  for (const double point : points) sum += point;
  std::printf("%d x %d points, %d steps: the mean is %.6f\n", all.side, all.side, all.steps,
              sum / all.side / all.side);
  const std::size_t row_size = sizeof(double) * static_cast<std::size_t>(all.side);
  for (int i = 0; i < all.side; ++i) {
    if (std::memcmp(&points[index(i * all.side)], &now.at(i, 0), row_size) != 0) {
      std::printf("wrong: row %d differs from the serial computation\n", i);
      return 1;
    }
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return hilo::run([&] {
    const hilo::mpi::session mpi;
    const int points = argc > 1 ? std::atoi(argv[1]) : 256;
    const int steps = argc > 2 ? std::atoi(argv[2]) : 100;
    if (points < block_side || points % block_side != 0 || steps < 0) {
      if (mpi.rank() == 0) std::fprintf(stderr, "POINTS must be a multiple of %d\n", block_side);
      return 2;
    }
    const problem all{.side = points, .steps = steps, .ranks = mpi.size()};
    const std::vector<double> mine = compute(all, mpi.rank());
    const std::vector<double> whole = gather(all, mpi.rank(), mine);
    return mpi.rank() == 0 ? check(all, whole) : 0;
  });
}
