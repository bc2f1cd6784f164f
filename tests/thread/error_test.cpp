// What cannot be started says why and what to change, and leaves nothing behind.
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hilo/thread.hpp"

#include "runtime/base/sanitizers.hpp"
#include "tests/death.hpp"
#include "tests/doctest.hpp"
#include "tests/emulator.hpp"
#include "tests/skip.hpp"

namespace {

// The text of the error that starting a thread ends in; empty when it started.
std::string error_of(const hilo::thread_options& options) {
  try {
    hilo::thread(options, [] {}).join();
    return {};
  } catch (const std::system_error& error) {
    return error.what();
  }
}

int mappings() {
  std::ifstream maps("/proc/self/maps");
  int lines = 0;
  for (std::string line; std::getline(maps, line);) ++lines;
  return lines;
}

// The sanitizers map memory of their own whenever they like.
bool leaked_since(int before) {
  return !HILO_ASAN && !HILO_TSAN && mappings() > before + 1;
}

bool uses_clone() {
  return hilo::thread_backend().kind == hilo::thread_backend_kind::clone;
}

// Prints for the parent of a forked child, whose doctest is not ours to use.
void say(const std::string& text) {
  std::printf("%s\n", text.c_str());
}

// Lets clone and clone3 fail with `error` from here on.
bool refuse_clone(int error) {
  const auto answer = SECCOMP_RET_ERRNO | static_cast<unsigned>(error);
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 2, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, answer),
  };
  const sock_fprog filter{static_cast<unsigned short>(std::size(program)), program};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

}  // namespace

TEST_CASE("error: a stack of no size or of an absurd one is refused in words") {
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, std::size_t{1} << 40,
        std::numeric_limits<std::size_t>::max(), std::numeric_limits<std::size_t>::max() - 4096}) {
    const std::string text = error_of({.stack_size = size});
    CAPTURE(text);
    CHECK(text.find("hilo: cannot start a thread with a stack of ") == 0);
    CHECK(text.find("EINVAL") != std::string::npos);
    CHECK(text.find("thread_options.stack_size") != std::string::npos);
  }
  CHECK(error_of({.guard_size = std::numeric_limits<std::size_t>::max()})
            .find("thread_options.guard_size") != std::string::npos);
  CHECK(error_of({}).empty());
}

TEST_CASE("error: small, odd and unguarded stacks serve") {
  const auto least = static_cast<std::size_t>(::sysconf(_SC_THREAD_STACK_MIN));  // the CPU's
  CHECK(error_of({.stack_size = least}).empty());
  CHECK(error_of({.stack_size = least + 10'001}).empty());
  CHECK(error_of({.guard_size = 0}).empty());
  CHECK(error_of({.stack_size = 64 << 20, .guard_size = 1 << 20}).empty());
}

TEST_CASE("error: a thread that runs over its stack faults in the guard below it") {
  const auto end = hilo::test::run_in_child([] {
    hilo::thread({.stack_size = 256 * 1024}, [] {
      struct recursion {
        static int go(volatile int* depth) {
          volatile int frame[64];
          frame[0] = *depth + 1;
          if (frame[0] < 0) return 0;  // never, but no compiler can tell
          return go(frame) + frame[0];
        }
      };
      volatile int zero = 0;
      std::_Exit(recursion::go(&zero) == 0 ? 3 : 4);
    }).join();
  });
  CAPTURE(end.describe());
  CHECK_FALSE((end.exited && (end.code == 3 || end.code == 4)));
  CHECK((end.exited || end.signal == SIGSEGV));  // a sanitizer reports it and exits
}

TEST_CASE("error: a constructor of the callable that throws leaves nothing behind") {
  struct refuses {
    refuses() = default;
    refuses(const refuses&) { throw std::runtime_error("not copied"); }
    void operator()() const {}
  };
  const refuses callable;
  hilo::thread([] {}).join();
  const int before = mappings();
  for (int i = 0; i < 100; ++i) CHECK_THROWS_AS(hilo::thread{callable}, std::runtime_error);
  CHECK_FALSE(leaked_since(before));
  CHECK(error_of({}).empty());
}

TEST_CASE("error: no address space for a stack names RLIMIT_AS, and smaller stacks still start") {
  HILO_NEEDS(memory_limits);
#if HILO_ASAN || HILO_TSAN
  HILO_SKIP("the sanitizer needs more address space than the limit leaves");
#endif
  const auto end = hilo::test::run_in_child([] {
    (void)hilo::thread_backend();
    rlimit limit{};
    ::getrlimit(RLIMIT_AS, &limit);
    limit.rlim_cur = std::size_t{1} << 30;
    ::setrlimit(RLIMIT_AS, &limit);
    const int before = mappings();
    const auto text = error_of({.stack_size = std::size_t{4} << 30});
    say(text);
    say(leaked_since(before) ? "mappings leaked" : "nothing leaked");
    say("then: " + error_of({.stack_size = 1 << 20}) + ".");
  });
  CAPTURE(end.describe());
  CHECK(end.exited);
  CHECK(end.says("hilo: cannot "));
  CHECK((end.says("RLIMIT_AS is 1 GiB") || (!uses_clone() && end.says("ulimit -v"))));
  CHECK(end.says("nothing leaked"));
  CHECK(end.says("then: ."));
}

TEST_CASE("error: stacks kept for later are given back before a start fails for want of memory") {
  HILO_NEEDS(memory_limits);
  if (HILO_ASAN || HILO_TSAN) HILO_SKIP("the sanitizers need more address space than the limit");
  const auto end = hilo::test::run_in_child([] {
    {
      std::vector<hilo::thread> crowd;
      for (int i = 0; i < 40; ++i)
        crowd.emplace_back(hilo::thread_options{.stack_size = 16 << 20}, [] {});
    }
    std::ifstream statm("/proc/self/statm");
    rlim_t pages = 0;
    statm >> pages;
    const rlim_t now = pages * static_cast<rlim_t>(::sysconf(_SC_PAGESIZE));
    const rlimit limit{now + (8 << 20), RLIM_INFINITY};
    ::setrlimit(RLIMIT_AS, &limit);
    say("then: " + error_of({.stack_size = 256 << 20}) + ".");
  });
  CAPTURE(end.describe());
  if (!uses_clone()) HILO_SKIP("the libc keeps the stacks of its pthreads itself");
  CHECK(end.says("then: ."));
}

TEST_CASE("error: RLIMIT_NPROC reached says so, and threads start again when it is raised") {
  if (::getuid() != 0) HILO_SKIP("needs root, to become a user without processes");
  const auto end = hilo::test::run_in_child([] {
    (void)hilo::thread_backend();
    hilo::thread([] {}).join();
    if (::setgid(54321) != 0 || ::setuid(54321) != 0) return say("setuid failed");
    rlimit limit{};
    ::getrlimit(RLIMIT_NPROC, &limit);
    limit.rlim_cur = 1;
    ::setrlimit(RLIMIT_NPROC, &limit);
    say(error_of({}));  // and malloc has what the text of an error takes
    const int before = mappings();
    for (int i = 0; i < 50; ++i) (void)error_of({});
    say(leaked_since(before) ? "mappings leaked" : "nothing leaked");
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NPROC, &limit);
    say("then: " + error_of({}) + ".");
  });
  CAPTURE(end.describe());
  CHECK(end.exited);
  CHECK(end.says("hilo: cannot start a thread"));
  CHECK(end.says("EAGAIN"));
  CHECK((end.says("RLIMIT_NPROC is 1") || (!uses_clone() && end.says("ulimit -u"))));
  CHECK(end.says("nothing leaked"));
  CHECK(end.says("then: ."));
}

TEST_CASE("error: a refused clone says what refuses it") {
  for (const int error : {EPERM, ENOSYS, ENOMEM}) {
    const auto end = hilo::test::run_in_child([error] {
      (void)hilo::thread_backend();
      hilo::thread([] {}).join();
      if (!refuse_clone(error)) return say("no seccomp");
      const int before = mappings();
      for (int i = 0; i < 50; ++i) (void)error_of({});
      say(error_of({}));
      say(leaked_since(before) ? "mappings leaked" : "nothing leaked");
    });
    CAPTURE(end.describe());
    if (end.says("no seccomp")) HILO_SKIP("seccomp filters are not permitted here");
    CHECK(end.exited);
    CHECK(end.says("hilo: cannot start a thread"));
    if (uses_clone()) CHECK(end.says(error == ENOMEM ? "run fewer threads" : "seccomp"));
    CHECK(end.says("nothing leaked"));
  }
}

TEST_CASE("error: the very first thread can fail as well, and the next start tries again") {
  const auto end = hilo::test::run_in_child([] {
    if (::getuid() != 0 || ::setgid(54321) != 0 || ::setuid(54321) != 0) return say("not root");
    rlimit limit{};
    ::getrlimit(RLIMIT_NPROC, &limit);
    limit.rlim_cur = 1;
    ::setrlimit(RLIMIT_NPROC, &limit);
    // The child of a fork has its parent's choice if that was made; then this is one more start.
    say(error_of({}));
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NPROC, &limit);
    say("then: " + error_of({}) + ".");
  });
  CAPTURE(end.describe());
  if (end.says("not root")) HILO_SKIP("needs root, to become a user without processes");
  CHECK(end.says("hilo: cannot start "));
  CHECK(end.says("EAGAIN"));
  CHECK(end.says("then: ."));
}
