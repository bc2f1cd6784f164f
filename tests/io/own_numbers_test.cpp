// The numbers of hilo's own descriptors: where they are, and what happens if the program closes
// them and puts its own files there.

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hilo/hilo.hpp"
#include "hilo/io.hpp"

#include "runtime/context/sanitizer.hpp"
#include "runtime/sched/driver.hpp"
#include "runtime/sched/worker.hpp"
#include "tests/death.hpp"
#include "tests/doctest.hpp"
#include "tests/io/drivers.hpp"
#include "tests/io/other_threads.hpp"
#include "tests/skip.hpp"

using namespace std::chrono_literals;
using hilo::test::for_each_machine;

namespace {

int descriptors_below(int end) {
  int count = 0;
  for (int fd = 0; fd < end; ++fd) count += ::fcntl(fd, F_GETFD) >= 0;
  return count;
}

// What the program puts at the numbers that it took from hilo.
enum class put { nothing, a_file, an_eventfd, a_set };

int open_one(put what) {
  if (what == put::an_eventfd) return ::eventfd(0, EFD_NONBLOCK);
  if (what == put::a_set) return ::epoll_create1(0);
  char path[] = "/tmp/hilo-own-XXXXXX";
  const int file = ::mkstemp(path);
  ::unlink(path);
  return file;
}

// Whether nothing was written into it.
bool is_untouched(int fd, put what) {
  if (what == put::a_set) return true;
  if (what == put::an_eventfd) {
    std::uint64_t count = 0;
    return ::read(fd, &count, sizeof count) < 0 && errno == EAGAIN;
  }
  struct stat its {};
  return ::fstat(fd, &its) == 0 && its.st_size == 0 && ::lseek(fd, 0, SEEK_END) == 0;
}

// Closes all numbers above `last_of_program`, as a daemon does, and puts the file there. Returns
// the numbers.
std::vector<int> take_numbers(int last_of_program, int file, put what) {
  std::vector<int> taken;
  const long limit = ::sysconf(_SC_OPEN_MAX);
  for (int fd = last_of_program + 1; fd < (limit < 5000 ? limit : 5000); ++fd) {
    if (::fcntl(fd, F_GETFD) < 0) continue;
    ::close(fd);
    if (what == put::nothing) continue;
    (void)::dup2(file, fd);
    taken.push_back(fd);
  }
  return taken;
}

// A thread that is opening a descriptor while numbers are taken may get one of them.
void await_sleeping_carriers() {
  for (int looks = 0; looks < 3; ++looks) {
    if (!hilo::test::others_sleep()) looks = -1;
    hilo::sleep_for(1ms);
  }
}

// Fibers that each wait on a carrier in a read that does not end. While the carriers sleep in their
// ports: calls meanwhile(). Then the fibers are asked to stop. False: a call ended in another way.
template <class F>
bool wait_and_stop(unsigned carriers, const std::vector<int>& pipes, F meanwhile) {
  std::vector<hilo::fiber<hilo::status>> readers;
  for (unsigned i = 0; i < carriers; ++i) {
    readers.push_back(hilo::spawn([&pipes, i] {
      hilo::this_fiber::pin();
      char got = 0;
      const hilo::status end = hilo::io::read(pipes[2 * i], &got, 1).status();
      hilo::this_fiber::unpin();
      return end;
    }));
  }
  hilo::sleep_for(20ms);
  await_sleeping_carriers();
  meanwhile();
  bool right = true;
  for (auto& one : readers) {
    one.request_stop();
    right = one.join() == hilo::status::cancelled && right;
  }
  return right;
}

bool exchange(const std::vector<int>& pipes) {
  auto reader = hilo::spawn([&] {
    char got = 0;
    const auto count = hilo::io::read(pipes[0], &got, 1);
    return count && *count == 1 && got == 'x';
  });
  hilo::sleep_for(2ms);
  return hilo::io::write(pipes[1], "x", 1) && reader.join();
}

}  // namespace

TEST_CASE("machine: descriptors of hilo's own leave low numbers to the program") {
  const int before = descriptors_below(500);
  for_each_machine([&](const hilo::runtime_options& options) {
    hilo::run(options, [&] {
      hilo::test::stream_pair both;
      char byte = 'x';
      auto reader = hilo::spawn([&] {
        char got = 0;
        return hilo::io::read(both.left(), &got, 1).status() == hilo::status::ok;
      });
      hilo::sleep_for(1ms);
      CHECK(hilo::io::write(both.right(), &byte, 1).status() == hilo::status::ok);
      CHECK(reader.join());
      CHECK(descriptors_below(500) == before + 2);
    });
  });
}

TEST_CASE("machine: a number that was closed just before the first I/O call is not open") {
  for_each_machine([](const hilo::runtime_options& options) {
    const int closed = ::dup(STDERR_FILENO);
    ::close(closed);
    hilo::run(options, [&] {
      CHECK(hilo::io::poll(closed, POLLIN, 10s).error().value() == EBADF);
      char got = 0;
      CHECK(hilo::io::read(closed, &got, 1, 10s).error().value() == EBADF);
      CHECK(::fcntl(closed, F_GETFD) < 0);
    });
  });
}

TEST_CASE("machine: carriers that sleep in their ports go on though their numbers were taken") {
  if (hilo::context::sanitizing) HILO_SKIP("a sanitizer has descriptors of its own");
  for (const put what : {put::nothing, put::a_file, put::an_eventfd, put::a_set}) {
    CAPTURE(static_cast<int>(what));
    for_each_machine([&](const hilo::runtime_options& options) {
      const auto end = hilo::test::run_in_child([&] {
        std::vector<int> pipes(2 * std::size_t{options.carriers});
        for (unsigned i = 0; i < options.carriers; ++i) {
          if (::pipe(&pipes[2 * i]) != 0) ::_exit(2);
        }
        const int file = open_one(what);
        std::vector<int> taken;
        {
          hilo::runtime fibers(options);
          const int result = fibers.run([&] {
            const auto take = [&] { taken = take_numbers(file, file, what); };
            if (!wait_and_stop(options.carriers, pipes, take)) return 3;
            for (int i = 0; i < 3; ++i) {
              if (!wait_and_stop(options.carriers, pipes, [] {})) return 4;
              if (!exchange(pipes)) return 5;
            }
            return 0;
          });
          if (result != 0) ::_exit(result);
          if (!is_untouched(file, what)) ::_exit(6);
        }
        struct stat program {};
        ::fstat(file, &program);
        for (const int fd : taken) {
          struct stat its {};
          if (::fstat(fd, &its) != 0 || its.st_ino != program.st_ino) ::_exit(7);
        }
        if (!is_untouched(file, what)) ::_exit(8);
        ::_exit(0);
      });
      CAPTURE(end.describe());
      CHECK(end.exited);
      CHECK(end.code == 0);
    });
  }
}

// The waker finds no sleeper, because the carrier has looked at its queue and is on its way to
// sleep.
TEST_CASE("machine: a wake that comes while a lost descriptor is replaced is not lost") {
  if (hilo::context::sanitizing) HILO_SKIP("a sanitizer has descriptors of its own");
  for (const hilo::io_driver driver : {hilo::io_driver::any, hilo::io_driver::epoll}) {
    CAPTURE(static_cast<int>(driver));
    const auto end = hilo::test::run_in_child([&] {
      const bool right = hilo::run({.carriers = 1, .io = driver}, [] {
        int ends[2];
        if (::pipe(ends) != 0) ::_exit(2);
        char got = 0;
        auto reader = hilo::spawn([&] { return hilo::io::read(ends[0], &got, 1).status(); });
        hilo::sleep_for(2ms);  // parks the reader
        (void)take_numbers(ends[1], ends[1], put::nothing);
        hilo::sched::port& its = *hilo::sched::current_worker()->io();
        if (!its.may_wait()) ::_exit(3);
        its.wake();
        (void)its.wait(hilo::sched::timer_wheel::never);
        // From now on a wake goes by the new descriptor.
        if (!its.may_wait()) ::_exit(4);
        its.wake();
        (void)its.wait(hilo::sched::timer_wheel::never);
        return hilo::io::write(ends[1], "x", 1) && reader.join() == hilo::status::ok;
      });
      ::_exit(right ? 0 : 1);
    });
    CAPTURE(end.describe());
    CHECK(end.exited);
    CHECK(end.code == 0);
  }
}
