// Hilo threads and the process around them: fork, posix_spawn, exit, credentials.
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <thread>
#include <vector>

#include <pthread.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hilo/kernel/event.hpp"
#include "hilo/thread.hpp"

#include "runtime/base/sanitizers.hpp"
#include "runtime/thread/clone_libc.hpp"
#include "tests/death.hpp"
#include "tests/doctest.hpp"
#include "tests/emulator.hpp"
#include "tests/skip.hpp"

namespace {

std::atomic<int> prepared = 0, in_parent = 0, in_child = 0;

int count(std::atomic<int>& counter) {
  return counter.load(std::memory_order_relaxed);
}

}  // namespace

TEST_CASE("process: fork in a hilo thread runs the atfork handlers on both sides") {
  // Handlers stay for good, so this is the only test that installs any.
  ::pthread_atfork([] { prepared.fetch_add(1, std::memory_order_relaxed); },
                   [] { in_parent.fetch_add(1, std::memory_order_relaxed); },
                   [] { in_child.fetch_add(1, std::memory_order_relaxed); });
  int status = -1;
  hilo::thread([&] {
    const pid_t child = ::fork();
    if (child == 0) {
      ::_exit(count(prepared) == 1 && count(in_child) == 1 && count(in_parent) == 0 ? 7 : 1);
    }
    ::waitpid(child, &status, 0);
  }).join();
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 7);
  CHECK(count(prepared) == 1);
  CHECK(count(in_parent) == 1);
  CHECK(count(in_child) == 0);
}

TEST_CASE("process: fork while other hilo threads come and go leaves a child that can start some") {
  HILO_NEEDS(fork_beside_threads);
  if (HILO_ASAN) HILO_SKIP("the address sanitizer's own locks are not taken across fork");
  std::atomic<bool> stop = false;
  hilo::thread churn([&] {
    while (!stop.load(std::memory_order_relaxed))
      hilo::thread([] { std::free(std::malloc(100)); }).join();
  });
  for (int i = 0; i < (HILO_TSAN ? 1 : 20); ++i) {
    int status = -1;
    hilo::thread([&] {
      const pid_t child = ::fork();
      if (child == 0) {
        int ran = 0;
        for (int made = 0; made < 4; ++made) hilo::thread([&] { ++ran; }).join();
        ::_exit(ran == 4 ? 7 : 1);
      }
      ::waitpid(child, &status, 0);
    }).join();
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 7);
  }
  stop.store(true, std::memory_order_relaxed);
}

TEST_CASE("process: posix_spawn in a hilo thread runs a program") {
  int status = -1;
  hilo::thread([&] {
    char name[] = "/bin/sh", option[] = "-c", command[] = "exit 23";
    char* const arguments[] = {name, option, command, nullptr};
    pid_t child = 0;
    if (::posix_spawn(&child, name, nullptr, nullptr, arguments, environ) == 0) {
      ::waitpid(child, &status, 0);
    }
  }).join();
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 23);
}

TEST_CASE("process: exit ends the process while hilo threads run, from main and from one of them") {
  for (const bool from_main : {true, false}) {
    const auto end = hilo::test::run_in_child([from_main] {
      std::atexit([] { std::puts("said at exit"); });
      static hilo::kernel::event never;
      for (int i = 0; i < 4; ++i) hilo::thread([] { never.wait(); }).detach();
      for (int i = 0; i < 2; ++i) {
        hilo::thread([] {
          while (true) hilo::thread([] {}).join();
        }).detach();
      }
      if (from_main) std::exit(5);
      hilo::thread([] { std::exit(5); }).join();
    });
    CAPTURE(end.describe());
    CHECK(end.exited);
    CHECK(end.code == 5);
    CHECK(end.says("said at exit"));
  }
}

TEST_CASE("process: setuid changes every thread, hilo's among them, and those started later") {
  if (hilo::thread_backend().kind != hilo::thread_backend_kind::clone) {
    HILO_SKIP("threads of the pthread backend are pthreads");
  }
  if (::getuid() != 0) HILO_SKIP("needs root, to become another user");
  const auto end = hilo::test::run_in_child([] {
    static hilo::kernel::event changed;
    static long by_hilo = -1, by_pthread = -1, by_later = -1;
    hilo::thread running([] {
      changed.wait();
      by_hilo = ::syscall(SYS_getuid);
    });
    std::thread pthread([] {
      changed.wait();
      by_pthread = ::syscall(SYS_getuid);
    });
    if (::setuid(54321) != 0) return;
    changed.set();
    running.join();
    pthread.join();
    hilo::thread([] { by_later = ::syscall(SYS_getuid); }).join();
    std::printf("hilo %ld, pthread %ld, later %ld\n", by_hilo, by_pthread, by_later);
  });
  CAPTURE(end.describe());
  CHECK(end.says("hilo 54321, pthread 54321, later 54321"));
}

// The call asks for no change, and needs no right; libc makes it in every thread all the same.
TEST_CASE(
    "process: setresuid returns while hilo threads start and end, as joined and as detached") {
  HILO_NEEDS(signals_at_start);
  const auto end = hilo::test::run_in_child([] {
    std::atomic<bool> done{false};
    std::vector<hilo::thread> makers;
    for (int i = 0; i < 2; ++i) {
      makers.emplace_back([&] {
        while (!done.load(std::memory_order_relaxed)) {  // publishes nothing
          hilo::thread([] {}).detach();
          hilo::thread([] { std::this_thread::yield(); }).join();
        }
      });
    }
    int failed = 0;
    for (int i = 0; i < 300; ++i)
      failed += ::setresuid(uid_t(-1), uid_t(-1), uid_t(-1)) != 0 ? 1 : 0;
    done.store(true, std::memory_order_relaxed);
    makers.clear();
    std::printf("%d failed\n", failed);
  });
  CAPTURE(end.describe());
  CHECK(end.says("0 failed"));
}

TEST_CASE("process: pthread_exit in a hilo thread ends the process, as documented") {
  const auto end = hilo::test::run_in_child([] {
    hilo::thread([] { ::pthread_exit(nullptr); }).join();
    std::puts("went on");
  });
  CAPTURE(end.describe());
  CHECK_FALSE(end.exited);
  CHECK_FALSE(end.says("went on"));
}

// A thread that waits until it is let go, and who it is to pthreads.
namespace {

struct waiting_thread {
  hilo::kernel::event go;
  hilo::kernel::event known;
  pthread_t self{};
  bool survived = false;
  hilo::thread running{[this] {
    self = ::pthread_self();
    known.set();
    go.wait();
    // A cancellation point, where one that was asked for would act.
    const timespec none{};
    (void)::nanosleep(&none, nullptr);
    survived = true;
  }};
  waiting_thread() { known.wait(); }
};

}  // namespace

TEST_CASE("process: pthread_join and pthread_detach refuse a hilo thread, whose handle joins it") {
  if (hilo::thread_backend().kind != hilo::thread_backend_kind::clone) {
    HILO_SKIP("threads of the pthread backend are pthreads, which these take for their own");
  }
  waiting_thread one;
  CHECK(::pthread_join(one.self, nullptr) == EINVAL);
  CHECK(::pthread_detach(one.self) == EINVAL);
  pthread_attr_t attributes;
  REQUIRE(::pthread_getattr_np(one.self, &attributes) == 0);
  int state = -1;
  ::pthread_attr_getdetachstate(&attributes, &state);
  ::pthread_attr_destroy(&attributes);
  CHECK(state == PTHREAD_CREATE_DETACHED);
  one.go.set();
  one.running.join();
  CHECK(one.survived);
}

TEST_CASE("process: pthread_cancel does nothing to a hilo thread, nor to the next on its block") {
  waiting_thread one;
  CHECK(::pthread_cancel(one.self) == 0);
  one.go.set();
  one.running.join();
  CHECK(one.survived);
  // What the first was asked must not reach its successor, even one that allows cancellation.
  bool passed = false;
  hilo::thread([&] {
    ::pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, nullptr);
    ::pthread_testcancel();
    passed = true;
  }).join();
  CHECK(passed);
  int state = -1;
  hilo::thread([&] { ::pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state); }).join();
  CHECK(state == PTHREAD_CANCEL_DISABLE);
}

TEST_CASE("process: cancellation that is allowed reaches only a thread of the pthread backend") {
  const auto end = hilo::test::run_in_child([] {
    hilo::thread([] {
      ::pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, nullptr);
      ::pthread_cancel(::pthread_self());
      ::pthread_testcancel();
    }).join();
    std::puts("went on");
  });
  CAPTURE(end.describe());
  // To glibc a thread that stands on its list has ended (thread_list.hpp).
  const bool listed = hilo::thread_backend().kind == hilo::thread_backend_kind::clone &&
                      hilo::kernel::understood_layout().layout->ended != 0;
  CHECK(end.exited == listed);
  CHECK(end.says("went on") == listed);
}
