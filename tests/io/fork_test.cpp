// A process that forks while calls are in flight, on both drivers: the child has nothing of its
// parent's drivers, can make calls of its own, and does its parent no harm.
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hilo/blocking.hpp"
#include "hilo/fiber.hpp"
#include "hilo/io.hpp"

#include "runtime/base/sanitizers.hpp"
#include "tests/emulator.hpp"
#include "tests/io/drivers.hpp"
#include "tests/io/other_threads.hpp"

namespace {

using namespace std::chrono_literals;
using hilo::io_driver;
using hilo::test::stream_pair;

// Whether the process has a ring or an epoll set: a descriptor of neither kind is left to a child.
bool has_driver_descriptors() {
  for (int fd = 3; fd < 256; ++fd) {
    std::array<char, 64> path{};
    std::array<char, 64> target{};
    std::snprintf(path.data(), path.size(), "/proc/self/fd/%d", fd);
    if (::readlink(path.data(), target.data(), target.size() - 1) <= 0) continue;
    if (std::strncmp(target.data(), "anon_inode:", 11) == 0) return true;
  }
  return false;
}

bool has_ring_memory() {
  std::FILE* const maps = std::fopen("/proc/self/maps", "re");
  if (maps == nullptr) return true;
  std::array<char, 512> line{};
  bool found = false;
  while (std::fgets(line.data(), line.size(), maps) != nullptr) {
    found = found || std::strstr(line.data(), "io_uring") != nullptr;
  }
  std::fclose(maps);
  return found;
}

// A child's own runtime: bytes go through descriptors that the parent's fibers wait for, and others
// that are closed under those who wait for them. Returns what failed, or 0.
int talk(io_driver driver, int from, int into, int other) {
  return hilo::run(hilo::runtime_options{.carriers = 2, .io = driver}, [=] {
    hilo::fiber<char> reader = hilo::spawn([=] {
      char byte = 0;
      return hilo::io::recv(from, &byte, 1, 0, 20s) ? byte : '?';
    });
    hilo::yield();
    if (!hilo::io::send(into, "c", 1)) return 10;
    if (reader.join() != 'c') return 11;
    hilo::fiber<hilo::status> waiter = hilo::spawn([=] {
      char byte = 0;
      return hilo::io::recv(from, &byte, 1, 0, 20s).status();
    });
    hilo::sleep_for(1ms);  // by which it waits, as a rule; else it finds the descriptor closed
    for (const int fd : {from, into, other}) {
      if (!hilo::io::close(fd)) return 12;
    }
    const hilo::status end = waiter.join();
    return end == hilo::status::closed || end == hilo::status::failed ? 0 : 13;
  });
}

}  // namespace

TEST_CASE("fork: a child of a process with calls in flight works, on each driver") {
  HILO_NEEDS(fork_beside_threads);
  if (HILO_TSAN)
    HILO_SKIP("the thread sanitizer lets no child of a threaded process start threads");
  for (const io_driver its : {io_driver::uring, io_driver::epoll}) {
    if (its == io_driver::uring && !hilo::test::has_uring()) continue;
    CAPTURE(static_cast<int>(its));
    hilo::test::on_each_driver([&] {
      constexpr std::size_t waiting = 8;
      const std::vector<stream_pair> pairs(waiting);
      std::vector<hilo::fiber<char>> readers;
      for (const stream_pair& one : pairs) {
        readers.push_back(hilo::spawn([&] {
          char byte = 0;
          REQUIRE(hilo::io::recv(one.left(), &byte, 1));
          return byte;
        }));
      }
      std::atomic<bool> stop{false};
      hilo::fiber<void> busy = hilo::spawn([&] {
        if (HILO_ASAN) return;  // see below
        const stream_pair pair;
        char byte = 'b';
        while (!stop.load(std::memory_order_relaxed)) {
          REQUIRE(hilo::io::send(pair.left(), &byte, 1));
          REQUIRE(hilo::io::recv(pair.right(), &byte, 1));
        }
      });
      const stream_pair own;  // of the child, who has to find the others' numbers free
      int how = -1;
      hilo::blocking([&] {
        std::thread([&] {
          // The locks of the address sanitizer's allocator are not taken across fork.
          while (HILO_ASAN && !hilo::test::others_sleep()) std::this_thread::yield();
          const pid_t child = ::fork();
          if (child == 0) {
            ::alarm(20);
            if (has_driver_descriptors()) ::_exit(1);
            if (has_ring_memory()) ::_exit(2);
            // By the numbers for which the parent's fibers wait.
            if (::dup2(own.left(), pairs[0].left()) < 0) ::_exit(3);
            ::_exit(talk(its, pairs[0].left(), own.right(), pairs[1].left()));
          }
          ::waitpid(child, &how, 0);
        }).join();
      });
      CHECK(how == 0);
      for (const stream_pair& one : pairs) REQUIRE(hilo::io::send(one.right(), "p", 1));
      for (auto& one : readers) CHECK(one.join() == 'p');
      stop.store(true, std::memory_order_relaxed);
      busy.join();
    });
  }
}
