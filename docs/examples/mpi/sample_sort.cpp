// Sample sort: sorts numbers that are spread over the ranks.
//
//   $ mpirun -n 4 sample_sort
//   $ mpirun -n 4 sample_sort NUMBERS
//
// Each rank sorts its own numbers by fork-join. From samples of all ranks, rank 0 chooses splitters
// that divide the numbers into a part for each rank. The ranks exchange the parts and merge. The
// collective calls park the fiber, and between them all carriers of a rank sort or merge.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <hilo/hilo.hpp>
#include <hilo/mpi.hpp>
#include <iterator>
#include <numeric>
#include <vector>

#include <mpi.h>

namespace {

using number = std::uint64_t;
using numbers = std::vector<number>;

constexpr int samples_per_rank = 64;
constexpr std::ptrdiff_t sort_serially = 4096;  // numbers
constexpr long most_to_compare = 10'000'000;

// The random number of an index (splitmix64).
number random_number(long index) {
  number x = (static_cast<number>(index) + 1) * 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

numbers make_numbers(long first, long last) {
  numbers made;
  made.reserve(static_cast<std::size_t>(last - first));
  for (long i = first; i < last; ++i) made.push_back(random_number(i));
  return made;
}

using place = numbers::iterator;

void sort(place first, place last) {
  if (last - first <= sort_serially) return std::sort(first, last);
  const place middle = first + (last - first) / 2;
  hilo::fork_join([=] { sort(first, middle); }, [=] { sort(middle, last); });
  std::inplace_merge(first, middle, last);
}

// Merges sorted runs. A run ends where the next one begins.
void merge(const std::vector<place>& ends, std::size_t first, std::size_t last) {
  if (last - first < 2) return;
  const std::size_t middle = first + (last - first) / 2;
  hilo::fork_join([&, first, middle] { merge(ends, first, middle); },
                  [&, middle, last] { merge(ends, middle, last); });
  std::inplace_merge(ends[first], ends[middle], ends[last]);
}

// Returns the size() - 1 numbers that divide the ranks' parts.
numbers choose_splitters(const hilo::mpi::session& mpi, const numbers& sorted) {
  numbers samples;
  for (std::size_t i = 0; i < samples_per_rank; ++i) {
    const std::size_t at = sorted.size() * i / samples_per_rank;
    samples.push_back(sorted.empty() ? 0 : sorted[at]);
  }
  const auto ranks = static_cast<std::size_t>(mpi.size());
  numbers all(mpi.rank() == 0 ? ranks * samples_per_rank : 0);
  MPI_Gather(samples.data(), samples_per_rank, MPI_UINT64_T, all.data(), samples_per_rank,
             MPI_UINT64_T, 0, MPI_COMM_WORLD);
  numbers splitters(ranks - 1);
  if (mpi.rank() == 0) {
    std::sort(all.begin(), all.end());
    for (std::size_t i = 1; i < ranks; ++i) splitters[i - 1] = all[i * samples_per_rank];
  }
  MPI_Bcast(splitters.data(), mpi.size() - 1, MPI_UINT64_T, 0, MPI_COMM_WORLD);
  return splitters;
}

// Places of parts that lie one after the other, and where the last one ends.
std::vector<int> places_of(const std::vector<int>& counts) {
  std::vector<int> places = {0};
  std::partial_sum(counts.begin(), counts.end(), std::back_inserter(places));
  return places;
}

// Sends each rank its part, and returns the part of this rank, sorted.
numbers exchange(numbers& sorted, const numbers& splitters) {
  std::vector<int> send_places = {0};
  for (const number splitter : splitters) {
    const place end = std::lower_bound(sorted.begin(), sorted.end(), splitter);
    send_places.push_back(static_cast<int>(end - sorted.begin()));
  }
  send_places.push_back(static_cast<int>(sorted.size()));
  std::vector<int> send_counts;
  for (std::size_t i = 0; i + 1 < send_places.size(); ++i) {
    send_counts.push_back(send_places[i + 1] - send_places[i]);
  }
  std::vector<int> receive_counts(send_counts.size());
  MPI_Alltoall(send_counts.data(), 1, MPI_INT, receive_counts.data(), 1, MPI_INT, MPI_COMM_WORLD);
  const std::vector<int> receive_places = places_of(receive_counts);

  numbers part(static_cast<std::size_t>(receive_places.back()));
  MPI_Alltoallv(sorted.data(), send_counts.data(), send_places.data(), MPI_UINT64_T, part.data(),
                receive_counts.data(), receive_places.data(), MPI_UINT64_T, MPI_COMM_WORLD);
  std::vector<place> ends;
  for (const int one : receive_places) ends.push_back(part.begin() + one);
  merge(ends, 0, receive_counts.size());
  return part;
}

number reduce(number mine, MPI_Op how) {
  number all = 0;
  MPI_Reduce(&mine, &all, 1, MPI_UINT64_T, how, 0, MPI_COMM_WORLD);
  return all;
}

// Tells rank 0 whether the numbers ascend, within each rank and from rank to rank.
bool ascend(const hilo::mpi::session& mpi, const numbers& part) {
  const number greatest = part.empty() ? 0 : part.back();
  number greatest_before = 0;
  MPI_Exscan(&greatest, &greatest_before, 1, MPI_UINT64_T, MPI_MAX, MPI_COMM_WORLD);
  if (mpi.rank() == 0) greatest_before = 0;  // MPI_Exscan leaves it undefined there
  const bool good =
      std::is_sorted(part.begin(), part.end()) && (part.empty() || greatest_before <= part.front());
  return reduce(good ? 0 : 1, MPI_SUM) == 0;
}

// Returns all numbers at rank 0.
numbers gather(const hilo::mpi::session& mpi, const numbers& part) {
  const int count = static_cast<int>(part.size());
  std::vector<int> counts(static_cast<std::size_t>(mpi.size()));
  MPI_Gather(&count, 1, MPI_INT, counts.data(), 1, MPI_INT, 0, MPI_COMM_WORLD);
  const std::vector<int> places = places_of(counts);
  numbers all(mpi.rank() == 0 ? static_cast<std::size_t>(places.back()) : 0);
  MPI_Gatherv(part.data(), count, MPI_UINT64_T, all.data(), counts.data(), places.data(),
              MPI_UINT64_T, 0, MPI_COMM_WORLD);
  return all;
}

// Returns the exit status, at rank 0.
int check(const hilo::mpi::session& mpi, long count, const numbers& part) {
  const number found = reduce(part.size(), MPI_SUM);
  const number sum = reduce(std::accumulate(part.begin(), part.end(), number{0}), MPI_SUM);
  const bool sorted = ascend(mpi, part);
  const numbers all = count <= most_to_compare ? gather(mpi, part) : numbers();
  if (mpi.rank() != 0) return 0;

  numbers right = make_numbers(0, count);
  const number right_sum = std::accumulate(right.begin(), right.end(), number{0});
  std::printf("%ld numbers, sum %016lx\n", static_cast<long>(found),
              static_cast<unsigned long>(sum));
  if (found != right.size() || sum != right_sum) {
    std::printf("wrong: there were %ld numbers, sum %016lx\n", count,
                static_cast<unsigned long>(right_sum));
    return 1;
  }
  if (!sorted) {
    std::puts("wrong: the numbers are not sorted");
    return 1;
  }
  if (count <= most_to_compare) {
    std::sort(right.begin(), right.end());
    if (all != right) {
      std::puts("wrong: std::sort gives other numbers");
      return 1;
    }
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return hilo::run([&] {
    const hilo::mpi::session mpi;
    const long count = argc > 1 ? std::atol(argv[1]) : 1'000'000;
    if (count < 0) {
      if (mpi.rank() == 0) std::fputs("usage: sample_sort [NUMBERS]\n", stderr);
      return 2;
    }
    const long rank = mpi.rank();
    numbers mine = make_numbers(count * rank / mpi.size(), count * (rank + 1) / mpi.size());
    sort(mine.begin(), mine.end());
    const numbers splitters = choose_splitters(mpi, mine);
    const numbers part = exchange(mine, splitters);
    return check(mpi, count, part);
  });
}
