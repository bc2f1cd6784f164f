// For the tests of this_fiber::taint(): a change of a kernel thread that cannot be undone,
// and how to see it.
#pragma once

#include <string>
#include <system_error>

#include <sched.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hilo/runtime.hpp"

#include "tests/doctest.hpp"
#include "tests/leftovers.hpp"

namespace hilo::test {

inline long carrier() {
  return ::syscall(SYS_gettid);
}

// The kernel keeps these for each thread and gives them to its children: the directory (once it is
// not shared), the personality, and that no program gains rights.
struct state {
  std::string directory;
  int personality = 0;
  int confined = 0;
  friend bool operator==(const state&, const state&) = default;
};

inline state look() {
  char path[4096] = "";
  if (::syscall(SYS_getcwd, path, sizeof path) < 0) path[0] = '\0';
  return {.directory = path,
          .personality = ::personality(0xffffffff),
          .confined = ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)};
}

// For good: the kernel lets nobody take back the last.
inline state change() {
  REQUIRE(::unshare(CLONE_FS) == 0);
  REQUIRE(::chdir("/proc") == 0);
  REQUIRE(::personality(static_cast<unsigned>(::personality(0xffffffff)) | UNAME26) != -1);
  REQUIRE(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
  return look();
}

template <class F>
void with_each_driver(F&& body) {
  for (const hilo::io_driver driver : {hilo::io_driver::uring, hilo::io_driver::epoll}) {
    try {
      const hilo::runtime there(hilo::runtime_options{.carriers = 1, .io = driver});
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
      hilo::run(hilo::runtime_options{.carriers = carriers, .io = driver}, body);
    }
  });
}

template <class F>
void on_few(F&& body) {
  for (const unsigned carriers : {1U, 2U, 4U}) {
    CAPTURE(carriers);
    hilo::run(hilo::runtime_options{.carriers = carriers}, body);
  }
}

}  // namespace hilo::test
