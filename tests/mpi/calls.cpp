// Each call that libhilo-mpi replaces, in fibers of all ranks at once, and the collective ones also
// from a kernel thread: the answers are those of MPI.
#include <array>
#include <cstddef>
#include <numeric>
#include <thread>
#include <vector>

#include <mpi.h>

#include "hilo/fiber.hpp"
#include "hilo/mpi.hpp"
#include "hilo/runtime.hpp"

#include "tests/mpi/ranks.hpp"

namespace {

int rank = 0;
int size = 0;

constexpr int fibers = 8;

int next() {
  return (rank + 1) % size;
}
int previous() {
  return (rank + size - 1) % size;
}

// Numbers that tell the sender, the fiber and the round.
int made(int sender, int fiber, int round) {
  return (sender * fibers + fiber) * 100 + round;
}

// A ring of messages in a fiber's own tags; each round by another pair of calls.
void ring(int fiber) {
  for (int round = 0; round < 6; ++round) {
    int out = made(rank, fiber, round);
    int in = -1;
    MPI_Status about{};
    about.MPI_ERROR = 77;  // a call that completes one operation leaves it
    const int tag = fiber * 10 + round;
    switch (round) {
      case 0:
      case 1: {
        // Somebody must receive first where a send waits for its receiver.
        const auto send = round == 0 ? &MPI_Send : &MPI_Ssend;
        auto sender =
            hilo::spawn([&] { MUST(send(&out, 1, MPI_INT, next(), tag, MPI_COMM_WORLD) == 0); });
        MUST(MPI_Recv(&in, 1, MPI_INT, previous(), tag, MPI_COMM_WORLD, &about) == 0);
        sender.join();
        break;
      }
      case 2:
        MUST(MPI_Sendrecv(&out, 1, MPI_INT, next(), tag, &in, 1, MPI_INT, previous(), tag,
                          MPI_COMM_WORLD, &about) == 0);
        break;
      case 3:
        in = out;
        MUST(MPI_Sendrecv_replace(&in, 1, MPI_INT, next(), tag, previous(), tag, MPI_COMM_WORLD,
                                  &about) == 0);
        break;
      case 4: {
        MPI_Request sent = MPI_REQUEST_NULL;
        MPI_Isend(&out, 1, MPI_INT, next(), tag, MPI_COMM_WORLD, &sent);
        MUST(MPI_Probe(previous(), tag, MPI_COMM_WORLD, &about) == 0);
        MUST(about.MPI_SOURCE == previous() && about.MPI_TAG == tag);
        MUST(MPI_Recv(&in, 1, MPI_INT, previous(), tag, MPI_COMM_WORLD, &about) == 0);
        MUST(MPI_Wait(&sent, MPI_STATUS_IGNORE) == 0 && sent == MPI_REQUEST_NULL);
        break;
      }
      default: {
        MPI_Request sent = MPI_REQUEST_NULL;
        MPI_Isend(&out, 1, MPI_INT, next(), tag, MPI_COMM_WORLD, &sent);
        MPI_Message message = MPI_MESSAGE_NULL;
        MUST(MPI_Mprobe(previous(), tag, MPI_COMM_WORLD, &message, &about) == 0);
        MUST(MPI_Mrecv(&in, 1, MPI_INT, &message, &about) == 0);
        MUST(MPI_Waitall(1, &sent, MPI_STATUSES_IGNORE) == 0);
      }
    }
    MUST(in == made(previous(), fiber, round));
    MUST(about.MPI_SOURCE == previous() && about.MPI_TAG == tag && about.MPI_ERROR == 77);
  }
}

// Several requests at once, of which the last sender sends first.
void several(int fiber) {
  constexpr int count = 5;
  std::array<int, count> in{};
  std::array<MPI_Request, count + 1> requests{};
  std::array<MPI_Status, count + 1> about{};
  const int tag = 1000 + fiber * count;
  const auto receive_all = [&] {
    for (int i = 0; i < count; ++i) {
      MPI_Irecv(&in[i], 1, MPI_INT, previous(), tag + i, MPI_COMM_WORLD, &requests[i]);
    }
    requests[count] = MPI_REQUEST_NULL;
  };
  const auto send_all = [&] {
    for (int i = count; i-- > 0;) {
      hilo::yield();
      const int out = made(rank, fiber, i);
      MPI_Send(&out, 1, MPI_INT, next(), tag + i, MPI_COMM_WORLD);
    }
  };
  for (int way = 0; way < 3; ++way) {
    receive_all();
    auto sender = hilo::spawn(send_all);
    if (way == 0) {
      MUST(MPI_Waitall(count + 1, requests.data(), about.data()) == 0);
      for (int i = 0; i < count; ++i) MUST(about[i].MPI_TAG == tag + i);
    } else if (way == 1) {
      for (int i = 0; i < count; ++i) {
        int index = -1;
        MUST(MPI_Waitany(count + 1, requests.data(), &index, about.data()) == 0);
        MUST(index >= 0 && index < count && about[0].MPI_TAG == tag + index);
        MUST(requests[index] == MPI_REQUEST_NULL);
      }
      int index = 0;
      MUST(MPI_Waitany(count + 1, requests.data(), &index, about.data()) == 0);
      MUST(index == MPI_UNDEFINED);
    } else {
      int all = 0;
      while (all < count) {
        int found = 0;
        std::array<int, count + 1> indices{};
        MUST(MPI_Waitsome(count + 1, requests.data(), &found, indices.data(), about.data()) == 0);
        MUST(found > 0);
        all += found;
      }
    }
    sender.join();
    for (int i = 0; i < count; ++i) MUST(in[i] == made(previous(), fiber, i));
    in.fill(-1);
  }
}

// A persistent request stays, and is inactive after each round.
void persistent(int fiber) {
  int out = 0;
  int in = -1;
  std::array<MPI_Request, 2> requests{};
  const int tag = 2000 + fiber;
  MPI_Recv_init(&in, 1, MPI_INT, previous(), tag, MPI_COMM_WORLD, &requests[0]);
  MPI_Send_init(&out, 1, MPI_INT, next(), tag, MPI_COMM_WORLD, &requests[1]);
  for (int round = 0; round < 5; ++round) {
    out = made(rank, fiber, round);
    if (round % 2 == 0) {
      MPI_Startall(2, requests.data());
    } else {
      for (MPI_Request& one : requests) MPI_Start(&one);
    }
    MUST(MPI_Waitall(2, requests.data(), MPI_STATUSES_IGNORE) == 0);
    MUST(in == made(previous(), fiber, round));
    MUST(requests[0] != MPI_REQUEST_NULL);
    MPI_Status about{};
    MUST(MPI_Wait(&requests[0], &about) == 0);  // inactive: returns at once
    MUST(about.MPI_SOURCE == MPI_ANY_SOURCE);
  }
  for (MPI_Request& one : requests) MPI_Request_free(&one);
}

// Sends to the own rank, which return at once.
void immediate(int fiber) {
  const int tag = 3000 + fiber;
  for (const auto send : {&MPI_Isend, &MPI_Issend, &MPI_Irsend, &MPI_Ibsend}) {
    const int out = made(rank, fiber, 7);
    int in = -1;
    std::array<MPI_Request, 2> requests{};
    MPI_Irecv(&in, 1, MPI_INT, rank, tag, MPI_COMM_WORLD, &requests[0]);
    MUST(send(&out, 1, MPI_INT, rank, tag, MPI_COMM_WORLD, &requests[1]) == 0);
    MUST(MPI_Waitall(2, requests.data(), MPI_STATUSES_IGNORE) == 0);
    MUST(in == out);
  }
}

// The collective calls; each fiber has a communicator of its own.
void collective(MPI_Comm comm, int salt) {
  const auto n = static_cast<std::size_t>(size);
  const int mine = rank * 10 + salt;
  const auto of = [&](int r) { return r * 10 + salt; };
  const int sum = size * (size - 1) * 5 + size * salt;
  std::vector<int> counts(n, 1);
  std::vector<int> places(n);
  std::iota(places.begin(), places.end(), 0);
  std::vector<int> bytes(n);
  for (std::size_t i = 0; i < n; ++i) bytes[i] = static_cast<int>(i * sizeof(int));
  std::vector<MPI_Datatype> types(n, MPI_INT);
  std::vector<int> out(n, mine);
  std::vector<int> in(n, -1);
  const auto each_has = [&] {
    for (int r = 0; r < size; ++r) MUST(in[static_cast<std::size_t>(r)] == of(r));
    in.assign(n, -1);
  };

  MUST(MPI_Barrier(comm) == 0);
  int one = rank == 0 ? salt : -1;
  MUST(MPI_Bcast(&one, 1, MPI_INT, 0, comm) == 0);
  MUST(one == salt);
  MUST(MPI_Gather(&mine, 1, MPI_INT, in.data(), 1, MPI_INT, 0, comm) == 0);
  if (rank == 0) each_has();
  MUST(MPI_Gatherv(&mine, 1, MPI_INT, in.data(), counts.data(), places.data(), MPI_INT, 0, comm) ==
       0);
  if (rank == 0) each_has();
  MUST(MPI_Allgather(&mine, 1, MPI_INT, in.data(), 1, MPI_INT, comm) == 0);
  each_has();
  MUST(MPI_Allgatherv(&mine, 1, MPI_INT, in.data(), counts.data(), places.data(), MPI_INT, comm) ==
       0);
  each_has();
  for (int r = 0; r < size; ++r) out[static_cast<std::size_t>(r)] = of(r);
  one = -1;
  MUST(MPI_Scatter(out.data(), 1, MPI_INT, &one, 1, MPI_INT, 0, comm) == 0);
  MUST(one == mine);
  MUST(MPI_Scatterv(out.data(), counts.data(), places.data(), MPI_INT, &one, 1, MPI_INT, 0, comm) ==
       0);
  MUST(one == mine);
  out.assign(n, mine);
  MUST(MPI_Alltoall(out.data(), 1, MPI_INT, in.data(), 1, MPI_INT, comm) == 0);
  each_has();
  MUST(MPI_Alltoallv(out.data(), counts.data(), places.data(), MPI_INT, in.data(), counts.data(),
                     places.data(), MPI_INT, comm) == 0);
  each_has();
  MUST(MPI_Alltoallw(out.data(), counts.data(), bytes.data(), types.data(), in.data(),
                     counts.data(), bytes.data(), types.data(), comm) == 0);
  each_has();
  one = -1;
  MUST(MPI_Reduce(&mine, &one, 1, MPI_INT, MPI_SUM, 0, comm) == 0);
  MUST(rank != 0 || one == sum);
  MUST(MPI_Allreduce(&mine, &one, 1, MPI_INT, MPI_SUM, comm) == 0);
  MUST(one == sum);
  MUST(MPI_Reduce_scatter(out.data(), &one, counts.data(), MPI_INT, MPI_SUM, comm) == 0);
  MUST(one == sum);
  MUST(MPI_Reduce_scatter_block(out.data(), &one, 1, MPI_INT, MPI_SUM, comm) == 0);
  MUST(one == sum);
  MUST(MPI_Scan(&mine, &one, 1, MPI_INT, MPI_SUM, comm) == 0);
  MUST(one == rank * (rank + 1) * 5 + (rank + 1) * salt);
  MUST(MPI_Exscan(&mine, &one, 1, MPI_INT, MPI_SUM, comm) == 0);
  MUST(rank == 0 || one == rank * (rank - 1) * 5 + rank * salt);
}

// A communicator in which each rank's neighbours are the one before and the one behind it.
MPI_Comm circle_of(MPI_Comm comm) {
  int sides = size;
  int round = 1;
  MPI_Comm circle = MPI_COMM_NULL;
  MUST(MPI_Cart_create(comm, 1, &sides, &round, 0, &circle) == 0);
  return circle;
}

void neighbours(MPI_Comm circle, int salt) {
  const std::array<int, 2> counts{1, 1};
  const std::array<int, 2> places{0, 1};
  const std::array<MPI_Aint, 2> bytes{0, sizeof(int)};
  const std::array<MPI_Datatype, 2> types{MPI_INT, MPI_INT};
  const std::array<int, 2> out{rank * 10 + salt, rank * 10 + salt};
  std::array<int, 2> in{};
  const auto both = [&] {
    MUST(in[0] == previous() * 10 + salt && in[1] == next() * 10 + salt);
    in.fill(-1);
  };
  MUST(MPI_Neighbor_allgather(out.data(), 1, MPI_INT, in.data(), 1, MPI_INT, circle) == 0);
  both();
  MUST(MPI_Neighbor_allgatherv(out.data(), 1, MPI_INT, in.data(), counts.data(), places.data(),
                               MPI_INT, circle) == 0);
  both();
  MUST(MPI_Neighbor_alltoall(out.data(), 1, MPI_INT, in.data(), 1, MPI_INT, circle) == 0);
  both();
  MUST(MPI_Neighbor_alltoallv(out.data(), counts.data(), places.data(), MPI_INT, in.data(),
                              counts.data(), places.data(), MPI_INT, circle) == 0);
  both();
  MUST(MPI_Neighbor_alltoallw(out.data(), counts.data(), bytes.data(), types.data(), in.data(),
                              counts.data(), bytes.data(), types.data(), circle) == 0);
  both();
}

// Whether a put arrives by MPI's own calls. In MPICH 4.0 of Debian 12 it does not.
bool puts_arrive(MPI_Comm comm) {
  int* base = nullptr;
  MPI_Win window = MPI_WIN_NULL;
  PMPI_Win_allocate(sizeof(int), sizeof(int), MPI_INFO_NULL, comm, &base, &window);
  *base = -1;
  PMPI_Win_fence(0, window);
  MPI_Barrier(comm);  // a first fence ends no epoch, and may let others go on
  PMPI_Put(&rank, 1, MPI_INT, next(), 0, 1, MPI_INT, window);
  PMPI_Win_fence(0, window);
  int mine = *base == previous() ? 1 : 0;
  int all = 0;
  MPI_Allreduce(&mine, &all, 1, MPI_INT, MPI_MIN, comm);
  PMPI_Win_free(&window);
  return all != 0;
}

void one_sided(MPI_Comm comm) {
  const bool arrive = puts_arrive(comm);
  int* base = nullptr;
  MPI_Win window = MPI_WIN_NULL;
  MUST(MPI_Win_allocate(sizeof(int), sizeof(int), MPI_INFO_NULL, comm, &base, &window) == 0);
  *base = -1;
  MUST(MPI_Win_fence(0, window) == 0);
  MPI_Barrier(comm);
  MUST(MPI_Put(&rank, 1, MPI_INT, next(), 0, 1, MPI_INT, window) == 0);
  MUST(MPI_Win_fence(0, window) == 0);
  MUST(*base == previous() || !arrive);
  int got = -1;
  MUST(MPI_Win_lock(MPI_LOCK_SHARED, next(), 0, window) == 0);
  MUST(MPI_Get(&got, 1, MPI_INT, next(), 0, 1, MPI_INT, window) == 0);
  MUST(MPI_Win_flush(next(), window) == 0);
  MUST(got == rank || !arrive);
  MUST(MPI_Win_unlock(next(), window) == 0);
  MUST(MPI_Win_free(&window) == 0);
}

}  // namespace

int main() {
  return hilo::run({.carriers = 2}, [] {
    const hilo::mpi::session mpi;
    rank = mpi.rank();
    size = mpi.size();
    MUST(mpi.thread_level() == MPI_THREAD_MULTIPLE);

    std::vector<MPI_Comm> comms(fibers);
    for (MPI_Comm& one : comms) MUST(MPI_Comm_dup(MPI_COMM_WORLD, &one) == 0);
    // One after another: Open MPI 4.1 makes its first one without a lock.
    std::vector<MPI_Comm> circles;
    for (MPI_Comm& one : comms) circles.push_back(circle_of(one));
    std::vector<char> buffer(fibers * (sizeof(int) + MPI_BSEND_OVERHEAD));
    MPI_Buffer_attach(buffer.data(), static_cast<int>(buffer.size()));
    std::vector<hilo::fiber<void>> all;
    for (int i = 0; i < fibers; ++i) {
      all.push_back(hilo::spawn([&comms, &circles, i] {
        ring(i);
        several(i);
        persistent(i);
        immediate(i);
        collective(comms[static_cast<std::size_t>(i)], i + 1);
        neighbours(circles[static_cast<std::size_t>(i)], i + 1);
      }));
    }
    for (auto& one : all) one.join();
    void* detached = nullptr;
    int bytes = 0;
    MUST(MPI_Buffer_detach(&detached, &bytes) == 0 && detached == buffer.data());

    // A kernel thread of one rank meets a fiber of the others.
    if (rank == 0) {
      std::thread([&] { collective(comms[0], 100); }).join();
    } else {
      collective(comms[0], 100);
    }
    one_sided(comms[1]);
    for (MPI_Comm& one : circles) MUST(MPI_Comm_free(&one) == 0);
    for (MPI_Comm& one : comms) MUST(MPI_Comm_free(&one) == 0);
    if (rank == 0) std::puts("all calls give MPI's answers");
    return 0;
  });
}
