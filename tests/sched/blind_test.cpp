// The monitor where it cannot read /proc: a daemon that gave up root, a chroot, no descriptor left.

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <string_view>
#include <vector>

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hilo/fiber.hpp"
#include "hilo/latch.hpp"
#include "hilo/runtime.hpp"

#include "runtime/context/sanitizer.hpp"
#include "tests/death.hpp"
#include "tests/doctest.hpp"
#include "tests/emulator.hpp"
#include "tests/refusal.hpp"

using namespace std::chrono_literals;
using hilo::runtime_options;

namespace {

// A way to make the monitor blind. Returns false where this process may not.
struct blindness {
  const char* what;
  bool (*begin)();
  bool later;  // in the fiber that then blocks; else before the runtime starts
};

bool give_up_root() {
  return ::setgid(65534) == 0 && ::setuid(65534) == 0;
}

// A directory that is gone by then.
bool enter_empty_root() {
  char path[] = "/tmp/hilo-root-XXXXXX";
  if (::mkdtemp(path) == nullptr) return false;
  const bool done = ::chdir(path) == 0 && ::rmdir(path) == 0 && ::chroot(".") == 0;
  return done;
}

bool use_up_descriptors() {
  const int next = ::dup(0);
  if (next < 0) return false;
  ::close(next);
  const rlimit none{.rlim_cur = static_cast<rlim_t>(next), .rlim_max = static_cast<rlim_t>(next)};
  return ::setrlimit(RLIMIT_NOFILE, &none) == 0;
}

bool refuse_open() {
  return hilo::test::refuse({.number = SYS_openat, .error = EACCES});
}

constexpr blindness all_blindness[] = {
    {"after setuid", give_up_root, false},
    {"in an empty root", enter_empty_root, false},
    {"in an empty root, later", enter_empty_root, true},
    {"without descriptors", use_up_descriptors, false},
    {"without descriptors, later", use_up_descriptors, true},
    {"where files cannot be opened", refuse_open, false},
    {"where files cannot be opened, later", refuse_open, true},
};

}  // namespace

TEST_CASE("monitor: a fiber in a system call holds up nobody where /proc cannot be read") {
  if (hilo::context::sanitizing) HILO_SKIP("a sanitizer needs /proc itself");
  HILO_NEEDS(system_call_filters);
  for (const blindness& way : all_blindness) {
    CAPTURE(way.what);
    for (const unsigned carriers : {1U, 2U, 4U}) {
      CAPTURE(carriers);
      const auto end = hilo::test::run_in_child([&] {
        int pipe[2];
        if (::pipe(pipe) != 0) std::_Exit(2);
        if (!way.later && !way.begin()) std::_Exit(77);
        std::atomic<bool> reported{false};
        runtime_options options{
            .carriers = carriers, .stuck_after = 5ms, .report_busy_after = 30ms};
        options.report_busy = [&](std::string_view) {
          reported.store(true, std::memory_order_relaxed);
        };
        hilo::run(options, [&] {
          hilo::sleep_for(1ms);
          hilo::latch all_stuck(static_cast<std::ptrdiff_t>(carriers));
          if (way.later && !way.begin()) std::_Exit(77);
          std::vector<hilo::fiber<void>> stuck;
          for (unsigned i = 0; i < carriers; ++i) {
            stuck.push_back(hilo::spawn([&] {
              // Runs once another carrier is there, and ends both waits.
              auto behind = hilo::spawn([&] {
                all_stuck.count_down();
                all_stuck.wait();
                hilo::sleep_for(60ms);
                if (::write(pipe[1], "x", 1) != 1) std::_Exit(5);
              });
              char got = 0;
              if (::read(pipe[0], &got, 1) != 1) std::_Exit(3);  // EINTR: a signal ended it
              behind.join();
            }));
          }
          for (auto& one : stuck) one.join();
        });
        if (reported.load(std::memory_order_relaxed)) std::_Exit(4);
      });
      if (end.exited && end.code == 77) {
        MESSAGE("left out: this process may not");
        continue;
      }
      CAPTURE(end.describe());
      CHECK(end.exited);
      CHECK(end.code == 0);
    }
  }
}

static std::chrono::nanoseconds cpu_time_of_thread() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

TEST_CASE("monitor: a fiber that computes is reported where /proc cannot be read") {
  if (hilo::context::sanitizing) HILO_SKIP("a sanitizer needs /proc itself");
  HILO_NEEDS(system_call_filters);
  for (const blindness& way : all_blindness) {
    CAPTURE(way.what);
    for (const unsigned carriers : {1U, 2U, 4U}) {
      CAPTURE(carriers);
      const auto end = hilo::test::run_in_child([&] {
        if (!way.later && !way.begin()) std::_Exit(77);
        std::atomic<bool> reported{false};
        runtime_options options{.carriers = carriers, .report_busy_after = 30ms};
        options.report_busy = [&](std::string_view) {
          reported.store(true, std::memory_order_relaxed);
        };
        hilo::run(options, [&] {
          if (way.later && !way.begin()) std::_Exit(77);
          const auto begin = std::chrono::steady_clock::now();
          while (!reported.load(std::memory_order_relaxed)) {
            if (std::chrono::steady_clock::now() - begin < 5s) continue;
            std::_Exit(cpu_time_of_thread() < 1s ? 78 : 1);
          }
        });
      });
      if (end.exited && end.code == 77) {
        MESSAGE("left out: this process may not");
        continue;
      }
      // By its CPU time alone, a thread that hardly gets a CPU looks as if it slept (monitor.cpp).
      if (end.exited && end.code == 78) {
        MESSAGE("left out: the machine is too busy");
        continue;
      }
      CAPTURE(end.describe());
      CHECK(end.exited);
      CHECK(end.code == 0);
    }
  }
}
