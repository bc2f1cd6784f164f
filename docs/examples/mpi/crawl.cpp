// A crawler on several ranks: a master hands out the pages of a made-up web, and workers download
// them and send back the links that they found.
//
//   $ mpirun -n 4 crawl
//   $ mpirun -n 4 crawl PAGES WORKERS
//
// Every rank has 64 workers, rank 0 too, and each worker is a fiber that waits in plain MPI_Recv.
// So one kernel thread has 64 downloads under way. The tag of a message says which of the workers
// it is for: MPI finds the fiber.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <hilo/hilo.hpp>
#include <hilo/mpi.hpp>
#include <vector>

#include <mpi.h>

using namespace std::chrono_literals;

namespace {

std::size_t index(int number) {
  return static_cast<std::size_t>(number);
}

constexpr int most_links = 6;  // on a page
constexpr int no_page = -1;

// The tag of messages to the master. A message to a worker has the worker's number, from 1 on.
constexpr int to_master = 0;

struct web {
  int pages;
  int workers;  // of a rank
};

std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// The links of a page. Some pages have none, and no link leads to some pages.
std::vector<int> links_of(const web& site, int page) {
  const auto number = static_cast<std::uint64_t>(page) + 1;
  std::vector<int> links(mix(number) % (most_links + 1));
  for (std::size_t i = 0; i < links.size(); ++i) {
    const std::uint64_t target = mix(number * 8 + i) % static_cast<std::uint64_t>(site.pages);
    links[i] = static_cast<int>(target);
  }
  return links;
}

std::vector<int> download(const web& site, int page) {
  hilo::sleep_for(std::chrono::microseconds(500 + page % 1000));
  return links_of(site, page);
}

// What a worker sends: its number, the number of its links, and the links.
using report = std::array<int, 2 + most_links>;

// Downloads pages until there are no more. Returns how many it downloaded.
int work(const web& site, int number) {
  report mine = {number};
  for (int downloaded = 0;; ++downloaded) {
    MPI_Send(mine.data(), static_cast<int>(mine.size()), MPI_INT, 0, to_master, MPI_COMM_WORLD);
    int page = no_page;
    MPI_Recv(&page, 1, MPI_INT, 0, number, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    if (page == no_page) return downloaded;
    const std::vector<int> links = download(site, page);
    mine[1] = static_cast<int>(links.size());
    std::copy(links.begin(), links.end(), mine.begin() + 2);
  }
}

// Hands out pages until all that links lead to are downloaded. Returns which pages these are.
std::vector<bool> lead(const web& site, int ranks) {
  struct worker {
    int rank;
    int number;
  };
  std::vector<bool> reached(static_cast<std::size_t>(site.pages));
  std::deque<int> pages = {0};  // reached, but not handed out
  std::vector<worker> idle;
  reached[0] = true;
  const auto all = index(site.workers * ranks);
  while (!pages.empty() || idle.size() < all) {
    report one;
    MPI_Status about;
    MPI_Recv(one.data(), static_cast<int>(one.size()), MPI_INT, MPI_ANY_SOURCE, to_master,
             MPI_COMM_WORLD, &about);
    idle.push_back({about.MPI_SOURCE, one[0]});
    for (int i = 0; i < one[1]; ++i) {
      const int page = one[index(2 + i)];
      if (reached[static_cast<std::size_t>(page)]) continue;
      reached[static_cast<std::size_t>(page)] = true;
      pages.push_back(page);
    }
    for (; !pages.empty() && !idle.empty(); pages.pop_front(), idle.pop_back()) {
      MPI_Send(&pages.front(), 1, MPI_INT, idle.back().rank, idle.back().number, MPI_COMM_WORLD);
    }
  }
  for (const worker& one : idle) {
    MPI_Send(&no_page, 1, MPI_INT, one.rank, one.number, MPI_COMM_WORLD);
  }
  return reached;
}

std::vector<bool> search_serially(const web& site) {
  std::vector<bool> reached(static_cast<std::size_t>(site.pages));
  std::deque<int> pages = {0};
  reached[0] = true;
  for (; !pages.empty(); pages.pop_front()) {
    for (const int page : links_of(site, pages.front())) {
      if (reached[static_cast<std::size_t>(page)]) continue;
      reached[static_cast<std::size_t>(page)] = true;
      pages.push_back(page);
    }
  }
  return reached;
}

// Returns the exit status.
int check(const web& site, const std::vector<bool>& reached, int downloaded) {
  const auto count = std::count(reached.begin(), reached.end(), true);
  std::printf("%d pages, %ld reached, %d downloads\n", site.pages, static_cast<long>(count),
              downloaded);
  if (reached != search_serially(site)) {
    std::puts("wrong: a serial search reaches other pages");
    return 1;
  }
  if (downloaded != count) {
    std::puts("wrong: not each of them was downloaded once");
    return 1;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return hilo::run([&] {
    const hilo::mpi::session mpi;
    const web site{.pages = argc > 1 ? std::atoi(argv[1]) : 20'000,
                   .workers = argc > 2 ? std::atoi(argv[2]) : 64};
    if (site.pages < 1 || site.workers < 1) {
      if (mpi.rank() == 0) std::fputs("usage: crawl [PAGES [WORKERS]]\n", stderr);
      return 2;
    }
    hilo::scope<int> workers;
    for (int i = 1; i <= site.workers; ++i) {
      (void)workers.spawn([&site, i] { return work(site, i); });
    }
    std::vector<bool> reached;
    if (mpi.rank() == 0) reached = lead(site, mpi.size());
    int mine = 0;
    for (const int one : workers.join()) mine += one;
    int downloaded = 0;
    MPI_Reduce(&mine, &downloaded, 1, MPI_INT, MPI_SUM, 0, MPI_COMM_WORLD);
    return mpi.rank() == 0 ? check(site, reached, downloaded) : 0;
  });
}
