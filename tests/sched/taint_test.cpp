// this_fiber::taint(): what the fiber does to its kernel thread then, no other fiber sees.

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <sched.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hilo/blocking.hpp"
#include "hilo/channel.hpp"
#include "hilo/fiber.hpp"
#include "hilo/io.hpp"
#include "hilo/latch.hpp"
#include "hilo/limit.hpp"
#include "hilo/process.hpp"
#include "hilo/runtime.hpp"
#include "hilo/simulate.hpp"
#include "hilo/thread.hpp"

#include "runtime/context/sanitizer.hpp"
#include "tests/death.hpp"
#include "tests/doctest.hpp"
#include "tests/emulator.hpp"
#include "tests/refusal.hpp"

using namespace std::chrono_literals;
using hilo::runtime_options;
using hilo::spawn_options;

namespace {

long carrier() {
  return ::syscall(SYS_gettid);
}

// What the kernel keeps for each thread and gives to its children: the directory (once it is not
// shared), the personality, and that no program gains rights.
struct state {
  std::string directory;
  int personality = 0;
  int confined = 0;
  friend bool operator==(const state&, const state&) = default;
};

state look() {
  char path[4096] = "";
  if (::syscall(SYS_getcwd, path, sizeof path) < 0) path[0] = '\0';
  return {.directory = path,
          .personality = ::personality(0xffffffff),
          .confined = ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)};
}

// For good: the kernel lets nobody take back the last.
state change() {
  REQUIRE(::unshare(CLONE_FS) == 0);
  REQUIRE(::chdir("/proc") == 0);
  REQUIRE(::personality(static_cast<unsigned>(::personality(0xffffffff)) | UNAME26) != -1);
  REQUIRE(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
  return look();
}

std::string look_in_program() {
  const hilo::program what{
      .path = "sh",
      .arguments = {"-c", "pwd; cat /proc/self/personality; grep NoNew /proc/self/status"}};
  const auto end = hilo::run_program(what);
  REQUIRE(end);
  return end->out;
}

std::size_t kernel_threads() {
  std::size_t count = 0;
  for (const auto& one : std::filesystem::directory_iterator("/proc/self/task")) {
    (void)one;
    ++count;
  }
  return count;
}

// Kernel threads end some time after their last fiber.
bool threads_become(std::size_t wanted) {
  for (int i = 0; i < 2000; ++i) {
    if (kernel_threads() <= wanted) return true;
    hilo::sleep_for(5ms);
  }
  return false;
}

template <class F>
void with_each_driver(F&& body) {
  for (const hilo::io_driver driver : {hilo::io_driver::uring, hilo::io_driver::epoll}) {
    try {
      const hilo::runtime there(runtime_options{.carriers = 1, .io = driver});
    } catch (const std::system_error&) {
      continue;  // no ring is to be had here
    }
    CAPTURE(hilo::to_string(driver));
    body(driver);
  }
}

template <class F>
void on_each(F&& body) {
  with_each_driver([&](hilo::io_driver driver) {
    for (const unsigned carriers : {1U, 2U, 4U}) {
      CAPTURE(carriers);
      hilo::run(runtime_options{.carriers = carriers, .io = driver}, body);
    }
  });
}

template <class F>
void on_few(F&& body) {
  for (const unsigned carriers : {1U, 2U, 4U}) {
    CAPTURE(carriers);
    hilo::run(runtime_options{.carriers = carriers}, body);
  }
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
        while (numbers.receive()) here += carrier() == mine ? 1 : 0;
      });
      std::vector<hilo::fiber<void>> all;
      for (int i = 0; i < 5000; ++i) {
        all.push_back(hilo::spawn([&here, mine] {
          here += carrier() == mine ? 1 : 0;
          hilo::yield();
          here += hilo::spawn([] { return carrier(); }).join() == mine ? 1 : 0;
        }));
        if (i % 100 == 0) CHECK(numbers.send(i) == hilo::status::ok);
        if (i % 500 == 0) hilo::yield();
      }
      for (auto& one : all) one.join();
      numbers.close();
      receiver.join();
      CHECK(here == 0);
      CHECK(carrier() == mine);
    }).join();
  });
}

TEST_CASE("taint: others go on while the tainted fiber computes or blocks") {
  on_few([] {
    hilo::spawn([] {
      std::atomic<int> ran{0};
      auto before = hilo::spawn([&] { ++ran; });
      hilo::this_fiber::taint();
      auto spawned = hilo::spawn([&] { hilo::spawn([&] { ++ran; }).join(); });
      while (ran != 2) std::this_thread::sleep_for(100us);
      auto again = hilo::spawn([&] { ++ran; });
      hilo::blocking([&] {
        while (ran != 3) std::this_thread::sleep_for(100us);
      });
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

TEST_CASE("taint: many in a row leave no kernel thread behind") {
  on_few([] {
    hilo::spawn([] { hilo::this_fiber::taint(); }).join();
    hilo::sleep_for(1ms);
    const state clean = look();
    std::size_t threads = 0;
    for (int i = 0; i < 100; ++i) {
      if (i == 1) threads = kernel_threads();
      hilo::spawn([&] {
        CHECK(look() == clean);
        hilo::this_fiber::taint();
        (void)change();
        if (i % 2 == 0) hilo::yield();
        if (i % 3 == 0) hilo::sleep_for(100us);
        if (i % 5 == 0) hilo::spawn([] { hilo::yield(); }).join();
      }).join();
    }
    CHECK(threads_become(threads));
    CHECK(look() == clean);
  });
}

TEST_CASE("taint: fibers on all carriers at once, with few spare carriers") {
  for (const unsigned carriers : {1U, 2U, 4U}) {
    CAPTURE(carriers);
    const runtime_options how{.carriers = carriers, .spare_carriers = 1};
    hilo::run(how, [] {
      hilo::sleep_for(1ms);
      const state clean = look();
      const std::size_t threads = kernel_threads();
      hilo::latch all_tainted(16);
      hilo::event over;
      std::vector<hilo::fiber<long>> all;
      for (int i = 0; i < 16; ++i) {
        all.push_back(hilo::spawn([&] {
          hilo::yield();
          hilo::this_fiber::taint();
          (void)change();
          all_tainted.count_down();
          over.wait();
          return carrier();
        }));
      }
      all_tainted.wait();
      for (int i = 0; i < 100; ++i) CHECK(hilo::spawn(look).join() == clean);
      CHECK(hilo::blocking(look) == clean);
      over.set();
      std::vector<long> places;
      for (auto& one : all) places.push_back(one.join());
      std::sort(places.begin(), places.end());
      CHECK(std::adjacent_find(places.begin(), places.end()) == places.end());
      CHECK(threads_become(threads + 1));  // the spare one of hilo::blocking
    });
  }
}

TEST_CASE("taint: fibers that were pinned stay, and leave once they are unpinned") {
  hilo::run(runtime_options{.carriers = 1}, [] {
    hilo::latch pinned(2);
    hilo::event tainted;
    hilo::event ended;
    auto stays = hilo::spawn([&] {
      hilo::this_fiber::pin();
      const long mine = carrier();
      pinned.count_down();
      tainted.wait();
      CHECK(carrier() == mine);
      CHECK(hilo::spawn([] { return carrier(); }).join() != mine);
      hilo::this_fiber::unpin();
      if (carrier() == mine) hilo::yield();
      CHECK(carrier() != mine);
      hilo::this_fiber::pin();
      hilo::this_fiber::unpin();
    });
    auto last = hilo::spawn([&] {
      hilo::this_fiber::pin();
      pinned.count_down();
      ended.wait();  // the thread goes on for it
      hilo::this_fiber::unpin();
      CHECK(hilo::sleep_for(5ms) == hilo::status::ok);  // armed on a thread that then ends
    });
    pinned.wait();
    auto one = hilo::spawn([&] {
      hilo::this_fiber::taint();
      tainted.set();
      hilo::sleep_for(1ms);
    });
    one.join();
    stays.join();
    ended.set();
    last.join();
  });
}

TEST_CASE("taint: a second call and unpin change nothing") {
  on_few([] {
    hilo::spawn([] {
      hilo::this_fiber::pin();
      hilo::this_fiber::taint();
      const long mine = carrier();
      const std::size_t threads = kernel_threads();
      std::error_code error = std::make_error_code(std::errc::io_error);
      hilo::this_fiber::taint(error);
      CHECK(!error);
      CHECK(kernel_threads() <= threads);
      hilo::this_fiber::unpin();
      for (int i = 0; i < 20; ++i) {
        hilo::sleep_for(50us);
        CHECK(carrier() == mine);
      }
    }).join();
  });
  CHECK(hilo::test::run_in_child([] {
          hilo::run([] {
            hilo::this_fiber::taint();
            hilo::this_fiber::unpin();
          });
        }).aborted_with("a fiber is unpinned that is not pinned"));
}

TEST_CASE("taint: in threads that run no fiber, and inside hilo::blocking") {
  hilo::this_fiber::taint();  // nothing happens
  hilo::thread([] { hilo::this_fiber::taint(); }).join();
  hilo::run([] {
    std::error_code error;
    hilo::blocking([&] { hilo::this_fiber::taint(error); });
    CHECK(error == std::errc::invalid_argument);
    CHECK_THROWS_WITH_AS(hilo::blocking([] { hilo::this_fiber::taint(); }),
                         "hilo: cannot retire the carrier of a fiber: EINVAL (the caller is inside "
                         "hilo::blocking; call taint() before it)",
                         std::system_error);
    hilo::this_fiber::taint();
    hilo::blocking([] { hilo::this_fiber::taint(); });
  });
  CHECK(hilo::test::run_in_child([] {
          hilo::simulate(1, [] { hilo::this_fiber::taint(); });
        }).aborted_with("this_fiber::taint"));
}

TEST_CASE("taint: where the kernel gives no thread it fails, and the fiber is as before") {
  const std::string why = hilo::test::missing_system_call_filters();
  if (!why.empty()) HILO_SKIP(why);
  const auto end = hilo::test::run_in_child([] {
    hilo::run(runtime_options{.carriers = 2}, [] {
      hilo::sleep_for(1ms);
      if (!hilo::test::refuse({.number = SYS_clone, .error = EAGAIN}) ||
          !hilo::test::refuse({.number = SYS_clone3, .error = EAGAIN})) {
        std::_Exit(2);
      }
      for (int i = 0; i < 3; ++i) {
        std::error_code error;
        hilo::this_fiber::taint(error);
        if (error != std::errc::resource_unavailable_try_again) std::_Exit(3);
      }
      int sum = 0;
      for (int i = 0; i < 100; ++i) sum += hilo::spawn([] { return 1; }).join();
      if (sum != 100) std::_Exit(4);
      hilo::this_fiber::pin();
      hilo::this_fiber::unpin();
    });
    std::_Exit(7);
  });
  CAPTURE(end.describe());
  CHECK(end.code == 7);
}

TEST_CASE("taint: a runtime stops while tainted fibers are parked") {
  with_each_driver([](hilo::io_driver driver) {
    hilo::runtime home(runtime_options{.carriers = 2, .io = driver});
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    hilo::channel<int> never(0);
    hilo::latch parked(9);
    for (int i = 0; i < 9; ++i) {
      home.spawn([&, i] {
            hilo::this_fiber::taint();
            parked.count_down();
            char one = 0;
            if (i % 3 == 0) (void)never.receive();
            if (i % 3 == 1) (void)hilo::sleep_for(1h);
            if (i % 3 == 2) (void)hilo::io::read(ends[0], &one, 1);
          })
          .detach();
    }
    parked.wait();
    CHECK(home.stop(20s) == 0);
    ::close(ends[0]);
    ::close(ends[1]);
  });
}

TEST_CASE("taint: with thread-local storage of its own, and without a monitor") {
  const runtime_options how{.carriers = 1, .stuck_after = 0ms, .report_busy_after = 0ms};
  hilo::run(how, [] {
    const state clean = look();
    std::error_code refused;
    const auto body = [&] {
      hilo::this_fiber::taint();
      const long mine = carrier();
      (void)change();
      errno = 5;
      hilo::spawn([] { errno = 6; }).join();
      hilo::sleep_for(1ms);
      CHECK(carrier() == mine);
      CHECK(hilo::spawn(look).join() == clean);
    };
    hilo::spawn(body).join();
    auto own = hilo::spawn(refused, spawn_options{.tls = hilo::tls::own}, body);
    if (!refused) own.join();
    CHECK(look() == clean);
  });
}

TEST_CASE("taint: the child of a fork has what the fiber did, and a runtime of its own") {
  if (hilo::context::sanitizing) HILO_SKIP("a sanitizer does not let a child start threads");
  hilo::run(runtime_options{.carriers = 2}, [] {
    hilo::spawn([] {
      hilo::this_fiber::taint();
      const state dirty = change();
      const pid_t child = ::fork();
      if (child == 0) {
        std::error_code error;
        hilo::this_fiber::taint(error);
        const bool same = hilo::run([] { return hilo::spawn(look).join(); }) == dirty;
        std::_Exit(!error && same && look() == dirty ? 7 : 1);
      }
      int end = 0;
      CHECK(::waitpid(child, &end, 0) == child);
      CHECK(WEXITSTATUS(end) == 7);
    }).join();
  });
}
