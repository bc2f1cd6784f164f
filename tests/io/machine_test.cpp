// A machine that refuses what hilo asks of it, from the start or later: docs/machine.md says what
// happens. Each program gives the right answer or the documented error, and neither hangs nor
// crashes.

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <iterator>
#include <mutex>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <vector>

#include <dirent.h>
#include <fcntl.h>
#include <malloc.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hilo/hilo.hpp"
#include "hilo/io.hpp"
#include "hilo/net/tcp.hpp"
#include "hilo/process.hpp"
#include "hilo/signal_set.hpp"

#include "runtime/context/sanitizer.hpp"
#include "runtime/context/tls_block.hpp"
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

// Whether part() gives the right answer; an exception of an error is not one.
template <class F>
bool works(F part) {
  try {
    return part();
  } catch (const std::system_error&) {
    return false;
  }
}

bool use_files() {
  char path[] = "/tmp/hilo-machine-XXXXXX";
  const int made = ::mkstemp(path);
  if (made < 0) return false;
  ::close(made);
  const bool right = works([&] {
    if (!hilo::replace_file(path, "text")) return false;
    const auto text = hilo::read_file(path, 100);
    return text && *text == "text";
  });
  ::unlink(path);
  return right;
}

// A program without input, and one that is killed. Where that is refused, it ends by itself.
bool use_programs() {
  const auto said = hilo::run_program({.path = "/bin/echo", .arguments = {"-n", "word"}});
  if (!said || said->out != "word") return false;
  hilo::process asleep({.path = "/bin/sleep", .arguments = {"0.2"}});
  const auto killed = asleep.kill(SIGKILL);
  const auto end = asleep.wait();
  return killed && end;
}

bool use_threads() {
  int seen = 0;
  hilo::thread(hilo::thread_options{.cpus = hilo::this_thread::cpus(), .nice = 1}, [&] {
    seen = hilo::this_thread::nice();
  }).join();
  return seen == 1;
}

bool use_own_tls() {
  if (!hilo::context::tls_refusal().empty()) return true;
  return hilo::spawn(hilo::spawn_options{.tls = hilo::tls::own}, [] { return 7; }).join() == 7;
}

bool use_signals(hilo::io::signal_set* set) {
  if (set == nullptr) return false;
  if (::syscall(SYS_kill, ::getpid(), SIGUSR2) != 0) return true;  // refused to this program
  const auto got = set->receive(10s);
  return got && got->number == SIGUSR2;
}

bool use_network() {
  hilo::net::tcp_listener listener(hilo::net::address::loopback(0));
  const auto at = listener.local();
  if (!at) return false;
  auto accepted = hilo::spawn([&] { return static_cast<bool>(listener.accept(10s)); });
  const bool connected = static_cast<bool>(hilo::net::tcp_stream::connect(*at, 10s));
  if (!connected) accepted.request_stop();
  return accepted.join() && connected;
}

// What fewer programs use. Each part once, and once more after `later`.
template <class F>
int use_the_rest(hilo::io::signal_set* signals, F later) {
  const auto use = [&] {
    const bool all[] = {works(use_files),   works(use_programs),
                        works(use_threads), works(use_own_tls),
                        works(use_network), works([&] { return use_signals(signals); })};
    return std::all_of(std::begin(all), std::end(all), std::identity());
  };
  const bool before = use();
  later();
  const bool after = use();
  return before && after ? right : io_failed;
}

struct refusal_row {
  const char* what;
  refused_call call;
  // The documented ends beside the right answer.
  bool start_may_fail = false;
  bool io_may_fail = false;
  bool only_at_start = false;
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
    {"ppoll EPERM", {.number = SYS_ppoll, .error = EPERM}, false, true},
    {.what = "io_uring_enter EPERM",
     .call = {.number = SYS_io_uring_enter, .error = EPERM},
     .only_at_start = true},
    {.what = "io_uring_enter ENOSYS",
     .call = {.number = SYS_io_uring_enter, .error = ENOSYS},
     .only_at_start = true},
    {"epoll_ctl EPERM", {.number = SYS_epoll_ctl, .error = EPERM}, false, true},
    {"epoll_ctl ENOMEM", {.number = SYS_epoll_ctl, .error = ENOMEM}, false, true},
    {"nanosleep EPERM", {.number = SYS_nanosleep, .error = EPERM}},
    {"munmap ENOMEM", {.number = SYS_munmap, .error = ENOMEM}},
    {"munmap EPERM", {.number = SYS_munmap, .error = EPERM}},
    {"ioctl EPERM", {.number = SYS_ioctl, .error = EPERM}},
};

// Of what use_the_rest() uses, whose parts may always fail with the error.
const refusal_row rest_rows[] = {
    {"dup3 EMFILE", {.number = SYS_dup3, .error = EMFILE}},
    {"set_tid_address EPERM", {.number = SYS_set_tid_address, .error = EPERM}},
    {"waitid EPERM", {.number = SYS_waitid, .error = EPERM}},
    {"waitid ENOSYS", {.number = SYS_waitid, .error = ENOSYS}},
    {"pidfd_open ENOSYS", {.number = SYS_pidfd_open, .error = ENOSYS}},
    {"pidfd_open EMFILE", {.number = SYS_pidfd_open, .error = EMFILE}},
    {"pidfd_send_signal EPERM", {.number = SYS_pidfd_send_signal, .error = EPERM}},
    {"kill EPERM", {.number = SYS_kill, .error = EPERM}},
    {"execve ENOMEM", {.number = SYS_execve, .error = ENOMEM}},
    {"signalfd4 EMFILE", {.number = SYS_signalfd4, .error = EMFILE}},
    {"getsockopt EPERM", {.number = SYS_getsockopt, .error = EPERM}},
    {"statx ENOSYS", {.number = SYS_statx, .error = ENOSYS}},
    {"getrandom ENOSYS", {.number = SYS_getrandom, .error = ENOSYS}},
    {"sched_setaffinity EPERM", {.number = SYS_sched_setaffinity, .error = EPERM}},
    {"setpriority EPERM", {.number = SYS_setpriority, .error = EPERM}},
    {"pipe2 EMFILE", {.number = SYS_pipe2, .error = EMFILE}},
    {"socket EMFILE", {.number = SYS_socket, .error = EMFILE}},
    {"connect EPERM", {.number = SYS_connect, .error = EPERM}},
    {"renameat2 EPERM", {.number = SYS_renameat2, .error = EPERM}},
    {"fsync EPERM", {.number = SYS_fsync, .error = EPERM}},
    {"openat ENOENT", {.number = SYS_openat, .error = ENOENT}},
    {"openat EMFILE", {.number = SYS_openat, .error = EMFILE}},
    {"clone ENOMEM", {.number = SYS_clone, .error = ENOMEM}, true},
};

template <class F>
int run_the_rest(const hilo::runtime_options& options, F later) {
  std::optional<hilo::io::signal_set> signals;
  (void)works([&] {
    signals.emplace({SIGUSR2});
    return true;
  });
  try {
    return hilo::run(options, [&] { return use_the_rest(signals ? &*signals : nullptr, later); });
  } catch (const std::system_error&) {
    return start_failed;
  } catch (const std::bad_alloc&) {
    return start_failed;
  }
}

template <class F>
int run_program(const hilo::runtime_options& options, F later) {
  try {
    return hilo::run(options, [&] { return use_everything(later); });
  } catch (const std::system_error&) {
    return start_failed;
  } catch (const std::bad_alloc&) {
    return start_failed;  // where malloc takes all its memory by mmap, as musl's does
  }
}

}  // namespace

namespace {

// Runs a program where the call is refused from the start, and where it is refused later.
template <class F>
void refuse_for_each(std::span<const refusal_row> table, bool io_may_fail, F program) {
  for (const refusal_row& row : table) {
    const std::string what = row.what;
    CAPTURE(what);
    for (const bool at_start : {true, false}) {
      CAPTURE(at_start);
      if (row.only_at_start && !at_start) continue;
      for_each_machine([&](const hilo::runtime_options& options) {
        const auto end = hilo::test::run_in_child(
            [&] {
#if defined(__GLIBC__)
              // A thread's first malloc makes a heap by mmap otherwise, and the program's own
              // vectors then fail where a carrier had none yet.
              ::mallopt(M_ARENA_MAX, 1);
#endif
              if (at_start && !hilo::test::refuse(row.call)) ::_exit(cannot);
              ::_exit(program(options, [&] {
                if (!at_start && !hilo::test::refuse(row.call)) ::_exit(cannot);
              }));
            },
            20);
        CAPTURE(end.describe());
        CHECK(end.exited);
        const bool documented = (row.start_may_fail && end.code == start_failed) ||
                                ((row.io_may_fail || io_may_fail) && end.code == io_failed);
        CHECK((end.code == right || documented));
      });
    }
  }
}

}  // namespace

TEST_CASE("machine: a call that is refused gives the right answer or the documented error") {
  if (hilo::context::sanitizing) HILO_SKIP("a sanitizer needs the calls itself");
  HILO_NEEDS(system_call_filters);
  refuse_for_each(rows, false,
                  [](const auto& options, auto later) { return run_program(options, later); });
}

TEST_CASE("machine: files, programs, threads and signals end with the error of a refused call") {
  if (hilo::context::sanitizing) HILO_SKIP("a sanitizer needs the calls itself");
  HILO_NEEDS(system_call_filters);
  const auto end = hilo::test::run_in_child([] { ::_exit(run_the_rest({}, [] {})); });
  CAPTURE(end.describe());
  REQUIRE(end.exited);
  CHECK(end.code == right);
  refuse_for_each(rest_rows, true,
                  [](const auto& options, auto later) { return run_the_rest(options, later); });
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
