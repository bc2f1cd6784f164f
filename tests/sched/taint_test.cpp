// No other fiber sees the changes of a tainted fiber to its kernel thread, and all work together.

#include "tests/sched/taint.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <sys/socket.h>

#include "hilo/blocking.hpp"
#include "hilo/channel.hpp"
#include "hilo/fiber.hpp"
#include "hilo/io.hpp"
#include "hilo/latch.hpp"
#include "hilo/process.hpp"
#include "hilo/runtime.hpp"
#include "hilo/thread.hpp"

#include "tests/doctest.hpp"

using namespace std::chrono_literals;
using hilo::test::carrier;
using hilo::test::change;
using hilo::test::kernel_threads;
using hilo::test::look;
using hilo::test::on_each;
using hilo::test::on_few;
using hilo::test::state;

namespace {

std::string look_in_program() {
  const hilo::program what{
      .path = "sh",
      .arguments = {"-c", "pwd; cat /proc/self/personality; grep NoNew /proc/self/status"}};
  const auto end = hilo::run_program(what);
  REQUIRE(end);
  return end->out;
}

void check_all_clean(const state& clean, const std::string& program) {
  std::vector<hilo::fiber<bool>> all;
  for (int i = 0; i < 1000; ++i) {
    all.push_back(hilo::spawn([&clean, i] {
      if (i % 3 == 0) hilo::yield();
      if (i % 50 == 0) {
        bool there = false;
        hilo::thread([&] { there = look() == clean; }).join();
        if (!there) return false;
      }
      if (i % 10 == 0 && hilo::blocking(look) != clean) return false;
      return look() == clean;
    }));
  }
  int seen = 0;
  for (auto& one : all) seen += one.join() ? 0 : 1;
  CHECK(seen == 0);
  for (int i = 0; i < 3; ++i) CHECK(look_in_program() == program);
}

}  // namespace

TEST_CASE("taint: no other fiber, program or thread sees what the fiber does to its thread") {
  on_each([] {
    const state clean = look();
    const std::string program = look_in_program();
    hilo::channel<int> changed(1);
    hilo::event over;
    auto tainted = hilo::spawn([&] {
      hilo::this_fiber::taint();
      const long mine = carrier();
      const state dirty = change();
      CHECK(dirty != clean);
      CHECK(changed.send(1) == hilo::status::ok);
      over.wait();
      CHECK(look() == dirty);
      CHECK(carrier() == mine);
      CHECK(hilo::blocking([] { return carrier(); }) == mine);
      CHECK(hilo::blocking(look) == dirty);
      CHECK(look_in_program().starts_with("/proc\n"));  // what it starts itself inherits
      bool inherited = false;
      hilo::thread([&] { inherited = look() == dirty; }).join();
      CHECK(inherited);
    });
    (void)changed.receive();
    check_all_clean(clean, program);
    over.set();
    tainted.join();
    check_all_clean(clean, program);
  });
}

TEST_CASE("taint: a call that comes after the change is in time, while the fiber has not parked") {
  on_few([] {
    const state clean = look();
    const std::string program = look_in_program();
    hilo::spawn([&] {
      hilo::this_fiber::pin();
      (void)change();
      hilo::this_fiber::taint();
      hilo::sleep_for(1ms);
    }).join();
    check_all_clean(clean, program);
  });
}

TEST_CASE("taint: fibers that the tainted one spawns and wakes run elsewhere") {
  on_few([] {
    hilo::spawn([] {
      hilo::this_fiber::taint();
      const long mine = carrier();
      hilo::channel<int> numbers(8);
      std::atomic<int> here{0};
      auto receiver = hilo::spawn([&] {
        while (numbers.receive())
          here.fetch_add(carrier() == mine ? 1 : 0, std::memory_order_relaxed);
      });
      std::vector<hilo::fiber<void>> all;
      for (int i = 0; i < 5000; ++i) {
        all.push_back(hilo::spawn([&here, mine] {
          here.fetch_add(carrier() == mine ? 1 : 0, std::memory_order_relaxed);
          hilo::yield();
          const long place = hilo::spawn([] { return carrier(); }).join();
          here.fetch_add(place == mine ? 1 : 0, std::memory_order_relaxed);
        }));
        if (i % 100 == 0) CHECK(numbers.send(i) == hilo::status::ok);
        if (i % 500 == 0) hilo::yield();
      }
      for (auto& one : all) one.join();
      numbers.close();
      receiver.join();
      CHECK(here.load(std::memory_order_relaxed) == 0);
      CHECK(carrier() == mine);
    }).join();
  });
}

TEST_CASE("taint: others go on while the tainted fiber computes or blocks") {
  on_few([] {
    hilo::spawn([] {
      std::atomic<int> ran{0};
      auto before = hilo::spawn([&] { ran.fetch_add(1, std::memory_order_relaxed); });
      hilo::this_fiber::taint();
      auto spawned = hilo::spawn(
          [&] { hilo::spawn([&] { ran.fetch_add(1, std::memory_order_relaxed); }).join(); });
      while (ran.load(std::memory_order_relaxed) != 2) std::this_thread::sleep_for(100us);
      // Once in a while the carrier that took over checks whether there are thieves.
      hilo::spawn([] {
        for (int i = 0; i < 1000; ++i) hilo::yield();
      }).join();
      auto again = hilo::spawn([&] { ran.fetch_add(1, std::memory_order_relaxed); });
      hilo::blocking([&] {
        while (ran.load(std::memory_order_relaxed) != 3) std::this_thread::sleep_for(100us);
      });
    }).join();
  });
}

TEST_CASE("taint: no spare carrier is started for what the tainted fiber blocks in") {
  on_few([] {
    hilo::sleep_for(1ms);
    hilo::spawn([] {
      hilo::this_fiber::taint();
      const std::size_t threads = kernel_threads();
      for (int i = 0; i < 5; ++i) {
        hilo::blocking([&] {
          std::this_thread::sleep_for(1ms);
          CHECK(kernel_threads() <= threads);
        });
      }
    }).join();
  });
}

TEST_CASE("taint: channels, sleeps and limits work between the tainted fiber and others") {
  on_few([] {
    hilo::channel<int> there(0);
    hilo::channel<int> back(0);
    auto tainted = hilo::spawn([&] {
      hilo::this_fiber::taint();
      while (auto one = there.receive()) {
        if (*one % 100 == 0) hilo::sleep_for(100us);
        if (back.send(*one + 1) != hilo::status::ok) return;
      }
    });
    for (int i = 0; i < 2000; ++i) {
      CHECK(there.send(i) == hilo::status::ok);
      CHECK(back.receive() == i + 1);
    }
    there.close();
    tainted.join();
    // Nobody else is awake to fire the timers.
    hilo::spawn([] {
      hilo::this_fiber::taint();
      for (int i = 0; i < 50; ++i) CHECK(hilo::sleep_for(1ms) == hilo::status::ok);
      hilo::channel<int> never(0);
      std::optional<int> none;
      for (int i = 0; i < 20; ++i) {
        CHECK(never.receive_for(none, 1ms) == hilo::status::timed_out);
      }
    }).join();
  });
}

TEST_CASE("taint: I/O works between the tainted fiber and others, by either driver") {
  on_each([] {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    const auto echo = [](int fd) {
      char one = 0;
      while (true) {
        const auto got = hilo::io::read(fd, &one, 1);
        if (!got || *got == 0) return;
        (void)hilo::io::write(fd, &one, 1);
      }
    };
    // In flight where its carrier retires, as is that of a fiber that is pinned beside.
    auto other = hilo::spawn([&] { echo(ends[0]); });
    hilo::yield();
    auto tainted = hilo::spawn([&] {
      hilo::this_fiber::pin();
      // The kernel makes a thread of the ring's for these, which has the directory of now.
      for (int i = 0; i < 20; ++i) {
        const auto file = hilo::io::open("/proc/self/status", O_RDONLY | O_CLOEXEC);
        if (file) (void)hilo::io::close(*file);
      }
      hilo::this_fiber::taint();
      (void)change();
      for (int i = 0; i < 500; ++i) {
        char one = static_cast<char>(i);
        CHECK(hilo::io::write(ends[1], &one, 1));
        CHECK(hilo::io::read(ends[1], &one, 1));
        CHECK(one == static_cast<char>(i));
      }
      char none = 0;
      CHECK(hilo::io::read(ends[1], &none, 1, 2ms).status() == hilo::status::timed_out);
      // By its own directory, also where a ring would leave the call to another thread.
      CHECK(hilo::io::statx(AT_FDCWD, "self/status"));
      const auto file = hilo::io::open("self/status", O_RDONLY | O_CLOEXEC);
      CHECK(file);
      if (file) (void)hilo::io::close(*file);
      (void)hilo::io::close(ends[1]);
    });
    tainted.join();
    other.join();
    (void)hilo::io::close(ends[0]);
  });
}

namespace {

// How long others waited, at most, for bytes that were there while a tainted fiber computed.
std::chrono::nanoseconds longest_wait_beside(hilo::io_driver driver) {
  // Without a monitor, which would look after them.
  const hilo::runtime_options how{
      .carriers = 1, .io = driver, .stuck_after = 0ms, .report_busy_after = 0ms};
  return hilo::run(how, [] {
    int theirs[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, theirs) == 0);
    std::atomic<int> seen{0};
    hilo::event again;
    hilo::fiber<void> busy;
    const auto wait_for_one = [](int fd) {
      char one = 0;
      CHECK(hilo::io::read(fd, &one, 1));
    };
    std::chrono::nanoseconds longest(0);
    const auto await = [&](int wanted) {
      const auto start = std::chrono::steady_clock::now();
      for (int i = 0; i < 50'000 && seen.load(std::memory_order_relaxed) != wanted; ++i) {
        std::this_thread::sleep_for(100us);
      }
      CHECK(seen.load(std::memory_order_relaxed) == wanted);
      longest =
          std::max<std::chrono::nanoseconds>(longest, std::chrono::steady_clock::now() - start);
    };
    auto other = hilo::spawn([&] {
      wait_for_one(theirs[0]);
      busy = hilo::spawn([] { std::this_thread::sleep_for(50ms); });
      seen.fetch_add(1, std::memory_order_relaxed);
      wait_for_one(theirs[0]);
      seen.fetch_add(1, std::memory_order_relaxed);
    });
    hilo::yield();  // it waits on the carrier that is about to retire
    auto tainted = hilo::spawn([&] {
      hilo::this_fiber::taint();
      CHECK(::write(theirs[1], "1", 1) == 1);
      await(1);
      again.wait();  // by epoll its thread waits for descriptors, because the carrier is busy
      CHECK(::write(theirs[1], "2", 1) == 1);
      await(2);
    });
    hilo::thread writer([&] {
      while (seen.load(std::memory_order_relaxed) != 1) std::this_thread::sleep_for(1ms);
      std::this_thread::sleep_for(100ms);
      again.set();
    });
    tainted.join();
    other.join();
    writer.join();
    busy.join();
    for (const int fd : theirs) (void)hilo::io::close(fd);
    return longest;
  });
}

}  // namespace

// A carrier that sleeps looks by itself after a second.
TEST_CASE("taint: what others wait for is seen while the tainted fiber computes") {
  for (const hilo::io_driver driver : {hilo::io_driver::any, hilo::io_driver::epoll}) {
    CAPTURE(hilo::to_string(driver));
    std::chrono::nanoseconds shortest = 1h;
    for (int i = 0; i < 3 && shortest > 500ms; ++i) {
      shortest = std::min(shortest, longest_wait_beside(driver));
    }
    CHECK(shortest <= 500ms);
  }
}
