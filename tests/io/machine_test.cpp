// A machine that refuses what hilo asks of it, from the start or later: docs/machine.md says what
// happens. Each program gives the right answer or the documented error, and neither hangs nor
// crashes.

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <mutex>
#include <string>
#include <system_error>
#include <vector>

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hilo/hilo.hpp"
#include "hilo/io.hpp"

#include "runtime/context/sanitizer.hpp"
#include "tests/death.hpp"
#include "tests/doctest.hpp"
#include "tests/emulator.hpp"
#include "tests/io/drivers.hpp"
#include "tests/refusal.hpp"

using namespace std::chrono_literals;
using hilo::test::for_each_machine;
using hilo::test::refused_call;

namespace {

// How a child ends.
enum : int { right = 0, wrong = 1, start_failed = 8, io_failed = 9, cannot = 77 };

// Fibers that use each part once. `later` is called in the middle.
template <class F>
int use_everything(F later) {
  hilo::mutex lock;
  int count = 0;
  const auto spawn_many = [&] {
    std::vector<hilo::fiber<void>> all;
    for (int i = 0; i < 100; ++i) {
      all.push_back(hilo::spawn([&] {
        const std::scoped_lock guard(lock);
        ++count;
        hilo::yield();
      }));
    }
    for (auto& one : all) one.join();
  };
  const auto talk = [&] {
    hilo::channel<int> numbers;
    auto sum = hilo::spawn([&] {
      int total = 0;
      for (const int n : numbers) total += n;
      return total;
    });
    for (int i = 1; i <= 10; ++i) (void)numbers.send(i);
    numbers.close();
    return sum.join() == 55 && hilo::blocking([] { return 7; }) == 7;
  };
  const auto exchange = [] {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) return -1;
    auto reader = hilo::spawn([&] {
      char got = 0;
      const auto read = hilo::io::read(ends[0], &got, 1);
      return read && *read == 1 && got == 'x';
    });
    hilo::sleep_for(1ms);
    const auto sent = hilo::io::write(ends[1], "x", 1);
    if (!sent) ::close(ends[1]);  // the reader meets the end
    const bool got = reader.join();
    ::close(ends[0]);
    if (sent) ::close(ends[1]);
    return got ? 0 : -1;
  };
  spawn_many();
  if (!talk()) return wrong;
  const int before = exchange();
  later();
  spawn_many();
  if (!talk()) return wrong;
  hilo::sleep_for(1ms);
  const int after = exchange();
  if (count != 200) return wrong;
  return before == 0 && after == 0 ? right : io_failed;
}

struct refusal_row {
  const char* what;
  refused_call call;
  // The documented ends beside the right answer.
  bool start_may_fail = false;
  bool io_may_fail = false;
};

constexpr unsigned guard_install = 102;  // MADV_GUARD_INSTALL

const refusal_row rows[] = {
    {"io_uring_setup EPERM", {.number = SYS_io_uring_setup, .error = EPERM}},
    {"io_uring_setup ENOSYS", {.number = SYS_io_uring_setup, .error = ENOSYS}},
    {"io_uring_setup EMFILE", {.number = SYS_io_uring_setup, .error = EMFILE}},
    {"io_uring_setup ENOMEM", {.number = SYS_io_uring_setup, .error = ENOMEM}},
    {"io_uring_register EPERM", {.number = SYS_io_uring_register, .error = EPERM}},
    {"eventfd2 EMFILE", {.number = SYS_eventfd2, .error = EMFILE}},
    {"eventfd2 EPERM", {.number = SYS_eventfd2, .error = EPERM}, false, true},
    {"epoll_create1 EMFILE", {.number = SYS_epoll_create1, .error = EMFILE}},
    {"epoll_create1 EPERM", {.number = SYS_epoll_create1, .error = EPERM}, false, true},
    {"epoll_pwait2 ENOSYS", {.number = SYS_epoll_pwait2, .error = ENOSYS}},
    {"membarrier EPERM", {.number = SYS_membarrier, .error = EPERM}},
    {"membarrier ENOSYS", {.number = SYS_membarrier, .error = ENOSYS}},
    {"membarrier ENOMEM", {.number = SYS_membarrier, .error = ENOMEM}},
    {"madvise EPERM", {.number = SYS_madvise, .error = EPERM}},
    {"madvise ENOSYS", {.number = SYS_madvise, .error = ENOSYS}},
    {"guards EINVAL", {.number = SYS_madvise, .error = EINVAL, .only_with = {{2, guard_install}}}},
    {"mprotect ENOMEM", {.number = SYS_mprotect, .error = ENOMEM}, true},
    {"mmap ENOMEM", {.number = SYS_mmap, .error = ENOMEM}, true, true},
    {"set_robust_list EPERM", {.number = SYS_set_robust_list, .error = EPERM}},
    {"get_robust_list EPERM", {.number = SYS_get_robust_list, .error = EPERM}},
    {"clone EAGAIN", {.number = SYS_clone, .error = EAGAIN}, true},
    {"clone3 ENOSYS", {.number = SYS_clone3, .error = ENOSYS}},
    {"clone3 EPERM", {.number = SYS_clone3, .error = EPERM}, true},
    {"prctl EPERM", {.number = SYS_prctl, .error = EPERM}},
    {"sched_getaffinity EPERM", {.number = SYS_sched_getaffinity, .error = EPERM}},
    {"sched_setaffinity EPERM", {.number = SYS_sched_setaffinity, .error = EPERM}},
    {"getrandom ENOSYS", {.number = SYS_getrandom, .error = ENOSYS}},
    {"sigaltstack EPERM", {.number = SYS_sigaltstack, .error = EPERM}},
    {"rt_sigaction EPERM", {.number = SYS_rt_sigaction, .error = EPERM}},
    {"clock_nanosleep EPERM", {.number = SYS_clock_nanosleep, .error = EPERM}},
    {"sched_yield EPERM", {.number = SYS_sched_yield, .error = EPERM}},
    {"tgkill EPERM", {.number = SYS_tgkill, .error = EPERM}},
    {"clock_gettime EPERM", {.number = SYS_clock_gettime, .error = EPERM}},
    {"prlimit64 EPERM", {.number = SYS_prlimit64, .error = EPERM}},
    {"fcntl EPERM", {.number = SYS_fcntl, .error = EPERM}, false, true},
    {"openat ENOENT", {.number = SYS_openat, .error = ENOENT}},
    {"openat EMFILE", {.number = SYS_openat, .error = EMFILE}},
    {"openat2 ENOSYS", {.number = 437, .error = ENOSYS}},
    {"close_range ENOSYS", {.number = 436, .error = ENOSYS}},
    {"statx ENOSYS", {.number = SYS_statx, .error = ENOSYS}},
    {"pidfd_open ENOSYS", {.number = SYS_pidfd_open, .error = ENOSYS}},
    {"ppoll EPERM", {.number = SYS_ppoll, .error = EPERM}, false, true},
};

template <class F>
int run_program(const hilo::runtime_options& options, F later) {
  try {
    return hilo::run(options, [&] { return use_everything(later); });
  } catch (const std::system_error&) {
    return start_failed;
  }
}

}  // namespace

TEST_CASE("machine: a call that is refused gives the right answer or the documented error") {
  if (hilo::context::sanitizing) HILO_SKIP("a sanitizer needs the calls itself");
  HILO_NEEDS(system_call_filters);
  for (const refusal_row& row : rows) {
    const std::string what = row.what;
    CAPTURE(what);
    for (const bool at_start : {true, false}) {
      CAPTURE(at_start);
      for_each_machine([&](const hilo::runtime_options& options) {
        const auto end = hilo::test::run_in_child(
            [&] {
              if (at_start && !hilo::test::refuse(row.call)) ::_exit(cannot);
              ::_exit(run_program(options, [&] {
                if (!at_start && !hilo::test::refuse(row.call)) ::_exit(cannot);
              }));
            },
            20);
        CAPTURE(end.describe());
        CHECK(end.exited);
        const bool documented = (row.start_may_fail && end.code == start_failed) ||
                                (row.io_may_fail && end.code == io_failed);
        CHECK((end.code == right || documented));
      });
    }
  }
}

TEST_CASE("machine: a limit that is met gives the right answer or the documented error") {
  if (hilo::context::sanitizing) HILO_SKIP("a sanitizer needs more than the limits");
  HILO_NEEDS(memory_limits);
  struct limit_row {
    const char* what;
    void (*begin)();
    bool start_may_fail;
  };
  static constexpr auto set = [](auto which, rlim_t value) {
    const rlimit limit{.rlim_cur = value, .rlim_max = value};
    if (::setrlimit(which, &limit) != 0) ::_exit(cannot);
  };
  const limit_row limits[] = {
      {"no more descriptors than four", [] { set(RLIMIT_NOFILE, 4 + 3); }, false},
      {"64 MiB of data", [] { set(RLIMIT_DATA, 64 << 20); }, true},
      {"no locked memory", [] { set(RLIMIT_MEMLOCK, 0); }, false},
      {"an empty root",
       [] {
         char path[] = "/tmp/hilo-root-XXXXXX";
         if (::mkdtemp(path) == nullptr || ::chdir(path) != 0 || ::rmdir(path) != 0) {
           ::_exit(cannot);
         }
         if (::chroot(".") != 0) ::_exit(cannot);
       },
       false},
  };
  for (const limit_row& row : limits) {
    CAPTURE(row.what);
    for (const bool at_start : {true, false}) {
      CAPTURE(at_start);
      for_each_machine([&](const hilo::runtime_options& options) {
        const auto end = hilo::test::run_in_child(
            [&] {
              if (at_start) row.begin();
              ::_exit(run_program(options, [&] {
                if (!at_start) row.begin();
              }));
            },
            20);
        if (end.exited && end.code == cannot) return;
        CAPTURE(end.describe());
        REQUIRE(end.exited);
        // The program's own socket pair may be what finds no descriptor.
        const bool documented =
            (row.start_may_fail && end.code == start_failed) ||
            (std::string(row.what).starts_with("no more") && end.code == io_failed);
        CHECK((end.code == right || documented));
      });
    }
  }
}

namespace {

// Whether this process has a ring open.
bool ring_is_open() {
  DIR* const all = ::opendir("/proc/self/fd");
  if (all == nullptr) return false;
  bool found = false;
  while (const dirent* const one = ::readdir(all)) {
    char target[64] = {};
    (void)!::readlinkat(::dirfd(all), one->d_name, target, sizeof target - 1);
    found = found || std::string(target) == "anon_inode:[io_uring]";
  }
  ::closedir(all);
  return found;
}

}  // namespace

TEST_CASE("machine: I/O goes on without a descriptor left, and by the driver once there are some") {
  if (hilo::context::sanitizing) HILO_SKIP("a sanitizer needs descriptors itself");
  const bool rings = hilo::test::has_uring();
  for_each_machine([&](const hilo::runtime_options& options) {
    const auto end = hilo::test::run_in_child([&] {
      int ends[2];
      if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) ::_exit(2);
      rlimit usual{};
      ::getrlimit(RLIMIT_NOFILE, &usual);
      const rlimit none{.rlim_cur = static_cast<rlim_t>(ends[1] + 1), .rlim_max = usual.rlim_max};
      ::setrlimit(RLIMIT_NOFILE, &none);
      const int result = hilo::run(options, [&] {
        for (int round = 0; round < 2; ++round) {
          auto reader = hilo::spawn([&] {
            char got = 0;
            const auto read = hilo::io::read(ends[0], &got, 1);
            return read && *read == 1;
          });
          hilo::sleep_for(5ms);
          if (!hilo::io::write(ends[1], "x", 1)) return 3;
          if (!reader.join()) return 4;
          char late = 0;
          const auto limited = hilo::io::read(ends[0], &late, 1, 10ms);
          if (limited.status() != hilo::status::timed_out) return 5;
          ::setrlimit(RLIMIT_NOFILE, &usual);
        }
        if (rings && options.io == hilo::io_driver::any && !ring_is_open()) return 6;
        return 0;
      });
      ::_exit(result);
    });
    CAPTURE(end.describe());
    CHECK(end.exited);
    CHECK(end.code == 0);
  });
}
