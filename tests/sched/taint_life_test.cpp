// How the carrier of a tainted fiber comes and goes, and where taint() has no effect or fails.

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <system_error>
#include <thread>
#include <vector>

#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hilo/blocking.hpp"
#include "hilo/channel.hpp"
#include "hilo/fiber.hpp"
#include "hilo/io.hpp"
#include "hilo/latch.hpp"
#include "hilo/runtime.hpp"
#include "hilo/simulate.hpp"
#include "hilo/thread.hpp"

#include "runtime/context/sanitizer.hpp"
#include "tests/death.hpp"
#include "tests/doctest.hpp"
#include "tests/refusal.hpp"
#include "tests/sched/taint.hpp"
#include "tests/skip.hpp"

using namespace std::chrono_literals;
using hilo::runtime_options;
using hilo::spawn_options;
using hilo::test::carrier;
using hilo::test::change;
using hilo::test::kernel_threads;
using hilo::test::look;
using hilo::test::on_few;
using hilo::test::state;
using hilo::test::with_each_driver;

namespace {

// Kernel threads end some time after their last fiber.
bool threads_become(std::size_t wanted) {
  for (int i = 0; i < 2000; ++i) {
    if (kernel_threads() <= wanted) return true;
    hilo::sleep_for(5ms);
  }
  return false;
}

}  // namespace

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

TEST_CASE("taint: a runtime ends with a tainted fiber that is its last") {
  on_few([] {
    hilo::spawn([] {
      hilo::this_fiber::taint();
      // Its thread alone is awake at the end.
      hilo::blocking([] { std::this_thread::sleep_for(20ms); });
    }).detach();
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
