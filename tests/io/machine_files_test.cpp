// The files of /proc, /sys, /etc and /dev that hilo reads, each absent or refused, from the start
// or later: docs/machine.md says what happens. A supervisor (tests/supervisor.hpp) answers for the
// files, so nothing is mounted and no right is needed.
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <initializer_list>
#include <iterator>
#include <mutex>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <fcntl.h>
#include <fnmatch.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hilo/hilo.hpp"
#include "hilo/io.hpp"
#include "hilo/net/name.hpp"
#include "hilo/process.hpp"
#include "hilo/signal_set.hpp"
#include "hilo/stack_usage.hpp"
#include "hilo/trace.hpp"

#include "runtime/context/sanitizer.hpp"
#include "tests/death.hpp"
#include "tests/doctest.hpp"
#include "tests/emulator.hpp"
#include "tests/io/drivers.hpp"
#include "tests/refusal.hpp"
#include "tests/supervisor.hpp"

using namespace std::chrono_literals;

namespace {

// What may not work without a file, as the page says. All else must.
enum : int { no_failure = 0, the_usage = 1, the_signals = 2, the_programs = 4 };
constexpr int wrong_answer = 64;
constexpr int broken_run = 100;

struct file_row {
  const char* file;            // as the page names it
  const char* pattern;         // fnmatch(3), of the paths that are hidden
  int may_fail = no_failure;   // from the start
  bool asked = true;           // whether the program asks for it from the start
  unsigned only_carriers = 0;  // 0: with any number
  bool by_default = false;     // asked for the default number of carriers
  bool mapped_guards = false;  // where the kernel has no other guards
  bool by_epoll = false;       // a ring opens it, and no filter sees that
  bool names = false;          // whether a name is looked up, which may take as long as servers do
};

#if defined(__x86_64__)
constexpr bool counter_may_count = true;
#else
constexpr bool counter_may_count = false;
#endif

const file_row file_rows[] = {
    {.file = "/proc/thread-self/syscall",
     .pattern = "/proc/thread-self/syscall",
     .only_carriers = 1},
    {.file = "/proc/self/task/%d/syscall", .pattern = "/proc/self/task/*/syscall", .asked = false},
    {.file = "/proc/self/cgroup", .pattern = "/proc/self/cgroup", .by_default = true},
    {.file = "/sys/fs/cgroup", .pattern = "/sys/fs/cgroup*", .asked = false},
    {.file = "/proc/sys/vm/max_map_count",
     .pattern = "/proc/sys/vm/max_map_count",
     .mapped_guards = true},
    {.file = "/proc/self/maps", .pattern = "/proc/self/maps", .asked = false},
    {.file = "/proc/self/pagemap", .pattern = "/proc/self/pagemap", .may_fail = the_usage},
    {.file = "/proc/self/task", .pattern = "/proc/self/task", .may_fail = the_signals},
    {.file = "/proc/self/task/", .pattern = "/proc/self/task/*/status", .may_fail = the_signals},
    {.file = "/sys/devices/system/clocksource/clocksource0/current_clocksource",
     .pattern = "/sys/devices/system/clocksource/*",
     .asked = counter_may_count},
    {.file = "/dev/null", .pattern = "/dev/null", .may_fail = the_programs, .by_epoll = true},
    {.file = "/etc/hosts", .pattern = "/etc/hosts", .asked = false, .names = true},
    {.file = "/etc/resolv.conf", .pattern = "/etc/resolv.conf", .asked = false, .names = true},
    {.file = "/etc/nsswitch.conf", .pattern = "/etc/nsswitch.conf", .asked = false, .names = true},
    {.file = "all of /proc", .pattern = "/proc/*", .may_fail = the_usage | the_signals},
    {.file = "all of /sys", .pattern = "/sys/*", .asked = false},
    {.file = "all of /etc", .pattern = "/etc/*", .asked = false, .names = true},
};

struct file_machine {
  hilo::io_driver driver;
  unsigned carriers;  // 0: the default
};
constexpr file_machine file_machines[] = {{hilo::io_driver::any, 1},
                                          {hilo::io_driver::epoll, 2},
                                          {hilo::io_driver::epoll, 1},
                                          {hilo::io_driver::any, 4},
                                          {hilo::io_driver::any, 0}};

// Shared by the supervisor and the program.
struct hidden_files {
  std::atomic<bool> hidden{false};
  std::atomic<int> asked{0};  // for what is hidden

  static hidden_files& make() {
    void* const room = ::mmap(nullptr, sizeof(hidden_files), PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED) ::_exit(broken_run);
    return *::new (room) hidden_files;
  }
};

bool counts_right() {
  hilo::mutex lock;
  int count = 0;
  std::vector<hilo::fiber<void>> all;
  for (int i = 0; i < 100; ++i) {
    all.push_back(hilo::spawn([&] {
      const std::scoped_lock guard(lock);
      hilo::yield();
      ++count;
    }));
  }
  for (auto& one : all) one.join();
  return count == 100 && hilo::blocking([] { return 7; }) == 7;
}

bool talks() {
  const hilo::test::stream_pair pair;
  auto reader = hilo::spawn([&] {
    char got = 0;
    return hilo::io::read(pair.left(), &got, 1) && got == 'x';
  });
  hilo::yield();
  return hilo::io::write(pair.right(), "x", 1) && reader.join();
}

// A call of the program's own that holds its carrier: the fiber that ends it must run.
bool blocked_call_ends() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return false;
  auto writer = hilo::spawn([&] { return ::write(ends[1], "x", 1) == 1; });
  char got = 0;
  const bool read = ::read(ends[0], &got, 1) == 1 && got == 'x';
  const bool wrote = writer.join();
  ::close(ends[0]);
  ::close(ends[1]);
  return read && wrote;
}

bool numbers_are_names() {
  const auto found = hilo::net::look_up("192.0.2.1", 80);
  return found && found->size() == 1 && found->front().to_string() == "192.0.2.1:80";
}

// Whatever this machine says to the name, it is an answer. Its end is not waited for: a server
// may be asked, where the files say nothing.
bool names_end() {
  const auto found = hilo::net::look_up("localhost", 80, 50ms);
  return found ? !found->empty() : found.status() != hilo::status::cancelled;
}

bool knows_its_stack() {
  try {
    return hilo::stack_usage().used > 0;
  } catch (const std::system_error& error) {
    if (std::string_view(error.what()).find("paint_stack") == std::string_view::npos) throw;
    return false;
  }
}

// The events go nowhere.
bool is_traced() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return false;
  hilo::trace::start({.events = 64});
  const bool right = counts_right();
  hilo::trace::summary told;
  try {
    told = hilo::trace::stop(ends[1]);
  } catch (const std::system_error&) {
    told.events = 1;  // the pipe is full
  }
  ::close(ends[0]);
  ::close(ends[1]);
  return right && told.events > 0;
}

bool runs_programs() {
  try {
    const auto said = hilo::run_program(
        {.path = "/bin/echo", .arguments = {"-n", "word"}, .in = hilo::stdio::null()});
    return said && said->out == "word";
  } catch (const std::system_error&) {
    return false;
  }
}

bool makes_signals(std::optional<hilo::io::signal_set>& signals) {
  try {
    signals.emplace({SIGUSR2});
    return true;
  } catch (const std::system_error&) {
    return false;
  }
}

int use_with_files(bool has_signals, hilo::io::signal_set* signals) {
  int failed = no_failure;
  if (!counts_right() || !talks() || !blocked_call_ends() || !numbers_are_names() || !is_traced()) {
    failed |= wrong_answer;
  }
  if (!knows_its_stack()) failed |= the_usage;
  if (has_signals) {
    if (::kill(::getpid(), SIGUSR2) != 0 || !signals->receive(60s)) failed |= wrong_answer;
  }
  return failed;
}

// Returns what did not work.
int run_with_files(const file_row& row, hidden_files& files, bool at_start,
                   const file_machine& on) {
  if (at_start) files.hidden.store(true, std::memory_order_relaxed);
  std::optional<hilo::io::signal_set> signals;
  int failed = makes_signals(signals) ? no_failure : the_signals;
  hilo::runtime_options options{.io = on.driver, .stuck_after = 5ms};
  if (on.carriers != 0) options.carriers = on.carriers;
  hilo::run(options, [&] {
    const auto use = [&] {
      failed |= use_with_files(signals.has_value(), signals ? &*signals : nullptr);
    };
    use();
    files.hidden.store(true, std::memory_order_relaxed);
    use();
    if (!runs_programs()) failed |= the_programs;
    if (row.names && !names_end()) failed |= wrong_answer;
    ::_exit(failed);
  });
  return broken_run;
}

struct file_run {
  hilo::test::child_end end;
  int asked = 0;
};

// Runs program(files) where the pattern's files are hidden, as soon as it says so.
template <class F>
file_run run_without(const char* pattern, int error, F program) {
  hidden_files& files = hidden_files::make();
  file_run run;
  run.end = hilo::test::run_in_child(
      [&] {
        const auto answer = [&](const hilo::test::asked_call& call) {
          if (!files.hidden.load(std::memory_order_relaxed)) return 0;
          const std::string path = call.text_at(call.arguments[call.number == SYS_openat ? 1 : 0]);
          if (::fnmatch(pattern, path.c_str(), 0) != 0) return 0;
          files.asked.fetch_add(1, std::memory_order_relaxed);
          return error;
        };
#ifdef SYS_open  // of older CPUs, and musl uses it
        const std::initializer_list<long> opens{SYS_openat, SYS_open};
#else
        const std::initializer_list<long> opens{SYS_openat};
#endif
        const int code = hilo::test::run_supervised([&] { return program(files); }, opens, answer);
        ::_exit(code < 0 ? broken_run : code);
      },
      60);
  run.asked = files.asked.load(std::memory_order_relaxed);
  ::munmap(&files, sizeof files);
  return run;
}

// A way to hide the files, and on how many of the machines it is tried.
struct hiding {
  const char* how;
  int error;
  bool at_start;
  std::size_t machines;
};
constexpr hiding all_hidings[] = {{"absent", ENOENT, true, std::size(file_machines)},
                                  {"refused", EACCES, true, 2},
                                  {"absent later", ENOENT, false, 2}};

void check_row(const file_row& row, const hiding& way, const file_machine& on) {
  const file_run run = run_without(row.pattern, way.error, [&](hidden_files& files) {
    const hilo::test::refused_call guards{
        .number = SYS_madvise, .error = EINVAL, .only_with = {{2, 102}}};  // MADV_GUARD_INSTALL
    if (row.mapped_guards && !hilo::test::refuse(guards)) return broken_run;
    return run_with_files(row, files, way.at_start, on);
  });
  CAPTURE(run.end.describe());
  REQUIRE(run.end.exited);
  CHECK((run.end.code & ~row.may_fail) == 0);
  if (!way.at_start || (row.by_epoll && on.driver != hilo::io_driver::epoll)) return;
  CHECK(run.end.code == row.may_fail);
  if (row.asked && (on.carriers == 0 || !row.by_default)) CHECK(run.asked > 0);
}

}  // namespace

TEST_CASE("machine: without a file each program gives the right answer or the documented error") {
  if (hilo::context::sanitizing) HILO_SKIP("a sanitizer needs /proc itself");
  HILO_NEEDS(supervision);
  for (const file_row& row : file_rows) {
    const std::string file = row.file;
    CAPTURE(file);
    for (const hiding& way : all_hidings) {
      const std::string how = way.how;
      CAPTURE(how);
      for (const file_machine& on : std::span(file_machines).first(way.machines)) {
        if (row.only_carriers != 0 && on.carriers != row.only_carriers) continue;
        CAPTURE(static_cast<int>(on.driver));
        CAPTURE(on.carriers);
        check_row(row, way, on);
      }
    }
  }
}

TEST_CASE("machine: without /proc/self/maps a report has bare addresses") {
  if (hilo::context::sanitizing) HILO_SKIP("a sanitizer needs /proc itself");
  HILO_NEEDS(supervision);
  for (const bool hidden : {false, true}) {
    CAPTURE(hidden);
    for (const unsigned carriers : {1U, 2U, 4U}) {
      CAPTURE(carriers);
      const file_run run = run_without("/proc/self/maps", ENOENT, [&](hidden_files& files) {
        files.hidden.store(hidden, std::memory_order_relaxed);
        hilo::run(hilo::runtime_options{.carriers = carriers}, [] {
          hilo::event never;
          never.wait();
        });
        return 0;
      });
      CAPTURE(run.end.describe());
      CHECK(run.end.says("hilo: deadlock: nothing can run again"));
      CHECK(run.end.says("spawned at 0x") == hidden);
      CHECK(run.end.says("spawned at /") != hidden);
      CHECK(run.asked == (hidden ? 1 : 0));
    }
  }
}
