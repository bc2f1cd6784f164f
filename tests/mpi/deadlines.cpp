// Receives that a deadline or a stop request ends while their messages are under way: no message is
// lost, and none is received twice. Rank 0 sends numbered messages to the fibers of rank 1. Another
// fiber of rank 1 asks MPI meanwhile by calls that return at once, so that one carrier brings in
// messages while the other cancels receives.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <random>
#include <stop_token>
#include <string>
#include <vector>

#include <mpi.h>

#include "hilo/fiber.hpp"
#include "hilo/limit.hpp"
#include "hilo/mpi.hpp"
#include "hilo/runtime.hpp"
#include "hilo/select.hpp"

#include "tests/mpi/ranks.hpp"

namespace {

using std::chrono::microseconds;

constexpr int fibers = 50;
constexpr int last_message = -1;

struct counts {
  std::atomic<long> tries{0};
  std::atomic<long> given_up{0};
  std::atomic<long> came_at_last{0};
};

// A pause now and then, so that a message is there, under way, or far when a receive begins.
void send_all(int tag, long messages, std::uint32_t seed) {
  std::minstd_rand random(seed);
  for (long i = 0; i < messages; ++i) {
    const int number = i + 1 == messages ? last_message : static_cast<int>(i);
    MUST(MPI_Send(&number, 1, MPI_INT, 1, tag, MPI_COMM_WORLD) == MPI_SUCCESS);
    if (random() % 2 == 0) (void)hilo::sleep_for(microseconds(random() % 400));
  }
}

// One wait, of one of the kinds that can be given up.
hilo::status wait(MPI_Request& request, MPI_Status& about, unsigned kind, microseconds patience) {
  switch (kind) {
    case 0:
      return hilo::mpi::wait_for(request, patience, &about);
    case 1:
      return hilo::with_timeout(patience, [&] { return hilo::mpi::wait(request, &about); });
    case 2: {
      std::stop_source stop;
      auto stopper = hilo::spawn([&] {
        (void)hilo::sleep_for(patience);
        stop.request_stop();
      });
      const hilo::status end =
          hilo::with_stop(stop.get_token(), [&] { return hilo::mpi::wait(request, &about); });
      stopper.join();
      return end;
    }
    case 3: {
      int index = -1;
      MPI_Request two[] = {MPI_REQUEST_NULL, request};
      const hilo::status end = hilo::mpi::wait_any_for(two, index, patience, &about);
      request = two[1];
      MUST(end != hilo::status::ok || index == 1);
      return end;
    }
    default: {
      const hilo::selection taken =
          hilo::select{hilo::mpi::done_of(request, &about), hilo::after(patience)};
      return taken == 0 ? hilo::status::ok : hilo::status::timed_out;
    }
  }
}

void receive_all(int tag, std::uint32_t seed, counts& all) {
  std::minstd_rand random(seed);
  int expected = 0;
  while (true) {
    int number = -2;
    MPI_Request request = MPI_REQUEST_NULL;
    MPI_Status about;
    MUST(MPI_Irecv(&number, 1, MPI_INT, 0, tag, MPI_COMM_WORLD, &request) == MPI_SUCCESS);
    const auto patience = microseconds(random() % 150);
    hilo::status end = wait(request, about, static_cast<unsigned>(random() % 5), patience);
    all.tries.fetch_add(1, std::memory_order_relaxed);
    if (end != hilo::status::ok) {
      MUST(end == hilo::status::timed_out || end == hilo::status::cancelled);
      end = hilo::mpi::cancel_receive(request, &about);
      MUST(request == MPI_REQUEST_NULL);
      if (end == hilo::status::cancelled) {
        MUST(number == -2);
        all.given_up.fetch_add(1, std::memory_order_relaxed);
        continue;
      }
      all.came_at_last.fetch_add(1, std::memory_order_relaxed);
    }
    MUST(end == hilo::status::ok && about.MPI_TAG == tag);
    if (number == last_message) return;
    MUST(number == expected);
    ++expected;
  }
}

// Asks for a receive for which no message comes.
void ask_meanwhile(const std::atomic<bool>& received) {
  constexpr int tag = fibers;
  int number = -2;
  int there = 0;
  int index = 0;
  MPI_Message message = MPI_MESSAGE_NULL;
  MPI_Request request = MPI_REQUEST_NULL;
  MPI_Status about;
  MUST(MPI_Irecv(&number, 1, MPI_INT, 0, tag, MPI_COMM_WORLD, &request) == MPI_SUCCESS);
  for (unsigned i = 0; !received.load(std::memory_order_relaxed); ++i) {
    switch (i % 7) {
      case 0:
        MUST(MPI_Test(&request, &there, &about) == MPI_SUCCESS && there == 0);
        break;
      case 1:
        MUST(MPI_Testall(1, &request, &there, &about) == MPI_SUCCESS && there == 0);
        break;
      case 2:
        MUST(MPI_Testany(1, &request, &index, &there, &about) == MPI_SUCCESS && there == 0);
        break;
      case 3:
        MUST(MPI_Testsome(1, &request, &there, &index, &about) == MPI_SUCCESS && there == 0);
        break;
      case 4:
        MUST(MPI_Request_get_status(request, &there, &about) == MPI_SUCCESS && there == 0);
        break;
      case 5:
        MUST(MPI_Iprobe(0, tag, MPI_COMM_WORLD, &there, &about) == MPI_SUCCESS && there == 0);
        break;
      default:
        MUST(MPI_Improbe(0, tag, MPI_COMM_WORLD, &there, &message, &about) == MPI_SUCCESS &&
             there == 0);
        break;
    }
    (void)hilo::sleep_for(microseconds(300));
  }
  MUST(MPI_Cancel(&request) == MPI_SUCCESS);
  MUST(MPI_Wait(&request, &about) == MPI_SUCCESS);
  MUST(MPI_Test_cancelled(&about, &there) == MPI_SUCCESS && there != 0);
}

}  // namespace

int main(int count, char** arguments) {
  const long messages = count > 1 ? std::stol(arguments[1]) : 10'000;
  const unsigned carriers = count > 2 ? static_cast<unsigned>(std::stoul(arguments[2])) : 2;
  return hilo::run({.carriers = carriers}, [&] {
    const hilo::mpi::session mpi;
    MUST(mpi.size() == 2);
    counts all;
    std::vector<hilo::fiber<void>> workers;
    for (int i = 0; i < fibers; ++i) {
      const auto seed = static_cast<std::uint32_t>(i + 1);
      workers.push_back(hilo::spawn([&, i, seed] {
        if (mpi.rank() == 0) {
          send_all(i, messages / fibers + 1, seed);
        } else {
          receive_all(i, seed, all);
        }
      }));
    }
    std::atomic<bool> received{false};  // relaxed: it only ends a loop
    auto asker = hilo::spawn([&] {
      if (mpi.rank() == 1) ask_meanwhile(received);
    });
    for (auto& one : workers) one.join();
    received.store(true, std::memory_order_relaxed);
    asker.join();
    if (mpi.rank() == 1) {
      std::printf("%ld receives, %ld given up, %ld of them had come at last\n",
                  all.tries.load(std::memory_order_relaxed),
                  all.given_up.load(std::memory_order_relaxed) +
                      all.came_at_last.load(std::memory_order_relaxed),
                  all.came_at_last.load(std::memory_order_relaxed));
    }
    return 0;
  });
}
