// What only clone3 and descriptors of processes offer: pidfd, cleared handlers, cgroups, numbers.
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hilo/clone.hpp"

#include "tests/clone/observe.hpp"
#include "tests/doctest.hpp"
#include "tests/emulator.hpp"

namespace share = hilo::share;
namespace with = hilo::with;
using hilo::test::window;

namespace {

bool readable(int descriptor, int milliseconds) {
  pollfd one{.fd = descriptor, .events = POLLIN, .revents = 0};
  return ::poll(&one, 1, milliseconds) == 1;
}

std::size_t open_descriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

}  // namespace

TEST_CASE("with::pidfd: clone returns a descriptor that polls readable at the end; off, none") {
  HILO_NEEDS(clone_flags);
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  const auto until_told = [&] {
    char byte = 0;
    return ::read(ends[0], &byte, 1) == 1 ? 6 : 1;
  };
  const std::size_t before = open_descriptors();
  hilo::child off = hilo::clone().start([] {});
  CHECK(open_descriptors() == before);
  (void)off.wait();

  hilo::child on = hilo::clone<with::pidfd>().start(until_told);
  CHECK(open_descriptors() == before + 1);
  const int descriptor = on.pidfd();
  CHECK(::fcntl(descriptor, F_GETFD) == FD_CLOEXEC);
  CHECK_FALSE(readable(descriptor, 0));
  CHECK(::write(ends[1], "x", 1) == 1);
  CHECK(readable(descriptor, 10'000));
  CHECK(on.wait().code() == 6);
  CHECK(open_descriptors() == before);
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_CASE("pidfd: asked for later, it is the same descriptor each time and closed by wait") {
  const std::size_t before = open_descriptors();
  hilo::child one = hilo::clone().start([] {});
  const int descriptor = one.pidfd();
  CHECK(one.pidfd() == descriptor);
  CHECK(readable(descriptor, 10'000));
  (void)one.wait();
  CHECK(open_descriptors() == before);
}

TEST_CASE("fresh::signal_handlers: handlers are the default again with it, what is ignored stays") {
  HILO_NEEDS(clone_flags);
  ::signal(SIGUSR1, [](int) {});
  ::signal(SIGUSR2, SIG_IGN);
  const auto look = [] {
    struct sigaction handled {
    }, ignored{};
    ::sigaction(SIGUSR1, nullptr, &handled);
    ::sigaction(SIGUSR2, nullptr, &ignored);
    return (handled.sa_handler == SIG_DFL ? 1 : 0) + (ignored.sa_handler == SIG_IGN ? 2 : 0);
  };
  CHECK(hilo::clone<hilo::fresh::signal_handlers>().start(look).wait().code() == 3);
  CHECK(hilo::clone().start(look).wait().code() == 2);
  ::signal(SIGUSR1, SIG_DFL);
  ::signal(SIGUSR2, SIG_DFL);
}

namespace {

// As some seccomp profiles do: clone3 does not exist.
bool hide_clone3() {
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter{.len = 4, .filter = program};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

// 0, or the number of the step that went wrong.
int clone_without_clone3(bool shared_memory) {
  hilo::child copy = hilo::clone<with::pidfd>().start([] { return 5; });
  const int descriptor = copy.pidfd();
  if (!readable(descriptor, 10'000) || copy.wait().code() != 5) return 1;
  std::atomic<std::uint32_t> word = 0;
  hilo::child own =
      hilo::clone().stack(hilo::own_stack{}).parent_tid(word).child_tid(word).start([&] {
        return word.load(std::memory_order_relaxed) == static_cast<unsigned>(::gettid());
      });
  if (word.load(std::memory_order_relaxed) != static_cast<unsigned>(own.id())) return 2;
  if (own.wait().code() != 1) return 3;
  if (shared_memory) {
    int value = 1;
    if (hilo::clone<share::memory>().start([&] { return ++value; }).wait().code() != 2) return 4;
    if (value != 2) return 5;
  }
  std::error_code error;
  const pid_t number = 31'999;
  if (hilo::clone().set_tid({&number, 1}).start([] {}, error)) return 6;
  return error.value() == ENOSYS ? 0 : 7;
}

}  // namespace

TEST_CASE("clone: where clone3 is hidden, clone does what it can, and the rest is refused") {
  const bool shared_memory = hilo::kernel::understood_layout().layout != nullptr;
  hilo::child restricted = hilo::clone().start([&] {
    if (!hide_clone3()) return 77;
    return clone_without_clone3(shared_memory);
  });
  const int result = restricted.wait().code();
  if (result == 77) HILO_SKIP("no seccomp filters here");
  CHECK(result == 0);
}

namespace {

// Where a version 2 cgroup can be made; empty when nowhere.
std::filesystem::path cgroup_root() {
  for (const char* path : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}) {
    if (std::filesystem::exists(std::string(path) + "/cgroup.procs")) {
      const std::string controllers = std::string(path) + "/cgroup.controllers";
      if (std::filesystem::exists(controllers)) return path;
    }
  }
  return {};
}

}  // namespace

TEST_CASE("cgroup: the child starts in the one given; without, in its parent's") {
  HILO_NEEDS(clone_flags);
  const std::filesystem::path root = cgroup_root();
  if (root.empty()) HILO_SKIP("no version 2 cgroups are mounted here");
  const std::filesystem::path mine = root / ("hilo-test-" + std::to_string(::getpid()));
  std::error_code error;
  if (!std::filesystem::create_directory(mine, error)) {
    HILO_SKIP("no cgroup can be made: " + error.message());
  }
  const int directory = ::open(mine.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const auto inside = [&] {
    std::ifstream file("/proc/self/cgroup");
    std::string line;
    while (std::getline(file, line)) {
      if (line.starts_with("0::")) return line.ends_with(mine.filename().string()) ? 1 : 0;
    }
    return 2;
  };
  CHECK(hilo::clone().cgroup(directory).start(inside).wait().code() == 1);
  CHECK(hilo::clone().start(inside).wait().code() == 0);
  ::close(directory);
  CHECK(std::filesystem::remove(mine));
}

TEST_CASE("set_tid: the child has the number asked for; a taken one is refused") {
  // Far from where the kernel hands out numbers, below the smallest pid_max.
  pid_t wanted = 32'000;
  while (wanted > 31'000 && ::kill(wanted, 0) == 0) --wanted;
  window<pid_t> seen;
  try {
    hilo::child one = hilo::clone().set_tid({&wanted, 1}).start([&] { *seen = ::getpid(); });
    CHECK(one.id() == wanted);
    CHECK(one.wait().exited());
  } catch (const std::system_error& problem) {
    if (problem.code().value() == EPERM || problem.code().value() == ENOSYS)
      HILO_SKIP(problem.what());
    throw;
  }
  CHECK(*seen == wanted);
  const pid_t taken = ::getpid();
  std::error_code error;
  CHECK_FALSE(hilo::clone().set_tid({&taken, 1}).start([] {}, error));
  CHECK(error.value() == EEXIST);
}
