// What parent and child share, flag by flag, each observed on and off: memory, filesystem
// attributes, descriptors, signal handlers, semaphore undo values, the I/O context.
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <string>

#include <fcntl.h>
#include <pthread.h>
#include <sys/sem.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hilo/clone.hpp"

#include "tests/clone/observe.hpp"
#include "tests/doctest.hpp"
#include "tests/emulator.hpp"

namespace share = hilo::share;
using hilo::test::window;

TEST_CASE("share::memory: stores are seen both ways with it; without, each has a copy") {
  HILO_NEEDS(clone_flags);
  HILO_NEEDS_SHARED_MEMORY();
  std::atomic<int> value = 1;
  const auto change = [&] { return value.exchange(2, std::memory_order_relaxed); };

  CHECK(hilo::clone<share::memory>().start(change).wait().code() == 1);
  CHECK(value.load(std::memory_order_relaxed) == 2);

  value.store(5, std::memory_order_relaxed);
  CHECK(hilo::clone().start(change).wait().code() == 5);
  CHECK(value.load(std::memory_order_relaxed) == 5);
}

TEST_CASE("share::memory: the child sees what its parent stores while both run") {
  HILO_NEEDS(clone_flags);
  HILO_NEEDS_SHARED_MEMORY();
  std::atomic<int> turn = 0;
  hilo::child other = hilo::clone<share::memory>().start([&] {
    turn.wait(0, std::memory_order_acquire);
    turn.store(2, std::memory_order_release);
    turn.notify_one();
  });
  turn.store(1, std::memory_order_release);
  turn.notify_one();
  turn.wait(1, std::memory_order_acquire);
  CHECK(turn.load(std::memory_order_relaxed) == 2);
  CHECK(other.wait().code() == 0);
}

TEST_CASE("no share::memory: the child has its copy as of the call, not as of its first look") {
  int value = 1;
  window<std::atomic<int>> gate;
  hilo::child other = hilo::clone().start([&] {
    gate->wait(0, std::memory_order_acquire);
    return value;
  });
  value = 2;
  gate->store(1, std::memory_order_release);
  // A futex in memory that two processes map; notify_one would wake the caller's process only.
  while (::syscall(SYS_futex, &*gate, 1 /* FUTEX_WAKE, shared */, 1, nullptr) == 0) {
    if (other.wait_for(std::chrono::milliseconds(1)).has_value()) break;
  }
  if (other) {
    CHECK(other.wait().code() == 1);
  }
}

namespace {

// Restores what a test changes of the process.
struct keep_filesystem {
  std::filesystem::path directory = std::filesystem::current_path();
  mode_t mask = ::umask(022);
  ~keep_filesystem() {
    std::filesystem::current_path(directory);
    ::umask(mask);
  }
};

mode_t current_umask() {
  const mode_t mask = ::umask(0);
  ::umask(mask);
  return mask;
}

int change_directory_and_umask() {
  ::umask(0111);
  return ::chdir("/");
}

}  // namespace

TEST_CASE("share::filesystem: umask and working directory are one with it; without, a copy") {
  HILO_NEEDS(clone_flags);
  const keep_filesystem keep;
  const std::string here = std::filesystem::current_path();
  REQUIRE(here != "/");

  CHECK(hilo::clone().start(change_directory_and_umask).wait().code() == 0);
  CHECK(std::filesystem::current_path() == here);
  CHECK(current_umask() == 022);

  CHECK(hilo::clone<share::filesystem>().start(change_directory_and_umask).wait().code() == 0);
  CHECK(std::filesystem::current_path() == "/");
  CHECK(current_umask() == 0111);
}

TEST_CASE("share::files: descriptors opened and closed by the child are ours with it only") {
  HILO_NEEDS(clone_flags);
  const int ours = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  REQUIRE(ours >= 0);
  window<int> theirs;
  const auto swap = [&] {
    *theirs = ::open("/dev/zero", O_RDONLY | O_CLOEXEC);
    return ::close(ours);
  };

  CHECK(hilo::clone().start(swap).wait().code() == 0);
  CHECK(*theirs >= 0);
  CHECK(::fcntl(*theirs, F_GETFD) == -1);  // opened in the child's table
  CHECK(::fcntl(ours, F_GETFD) != -1);

  CHECK(hilo::clone<share::files>().start(swap).wait().code() == 0);
  char byte = 1;
  CHECK(::read(*theirs, &byte, 1) == 1);
  CHECK(byte == 0);
  CHECK(::fcntl(ours, F_GETFD) == -1);
  CHECK(errno == EBADF);
  ::close(*theirs);
}

namespace {

void other_handler(int) {}

bool handles(int signal, void (*handler)(int)) {
  struct sigaction now {};
  ::sigaction(signal, nullptr, &now);
  return now.sa_handler == handler;
}

bool blocked(int signal) {
  sigset_t mask;
  ::pthread_sigmask(SIG_BLOCK, nullptr, &mask);
  return sigismember(&mask, signal) == 1;
}

int handle_and_block() {
  struct sigaction action {};
  action.sa_handler = other_handler;
  sigset_t one;
  sigemptyset(&one);
  sigaddset(&one, SIGUSR2);
  return ::sigaction(SIGUSR1, &action, nullptr) + ::pthread_sigmask(SIG_BLOCK, &one, nullptr);
}

}  // namespace

TEST_CASE("share::signal_handlers: one table of handlers with it, a copy without; masks apart") {
  HILO_NEEDS(clone_flags);
  HILO_NEEDS_SHARED_MEMORY();
  REQUIRE(handles(SIGUSR1, SIG_DFL));

  CHECK(hilo::clone<share::memory>().start(handle_and_block).wait().code() == 0);
  CHECK(handles(SIGUSR1, SIG_DFL));

  CHECK(
      hilo::clone<share::memory | share::signal_handlers>().start(handle_and_block).wait().code() ==
      0);
  CHECK(handles(SIGUSR1, other_handler));
  CHECK_FALSE(blocked(SIGUSR2));
  ::signal(SIGUSR1, SIG_DFL);
}

TEST_CASE("clone: the child starts with its parent's signal mask") {
  HILO_NEEDS(clone_flags);
  sigset_t one, before;
  sigemptyset(&one);
  sigaddset(&one, SIGUSR2);
  ::pthread_sigmask(SIG_BLOCK, &one, &before);
  const auto look = [] { return blocked(SIGUSR2) && !blocked(SIGUSR1) ? 0 : 1; };
  CHECK(hilo::clone().start(look).wait().code() == 0);
  CHECK(hilo::clone().stack(hilo::own_stack{}).start(look).wait().code() == 0);
  if (hilo::kernel::understood_layout().layout != nullptr) {
    CHECK(hilo::clone<share::memory>().start(look).wait().code() == 0);
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  CHECK_FALSE(blocked(SIGUSR2));
}

TEST_CASE("share::semaphore_undo: undone at the child's end without it, kept with it") {
  HILO_NEEDS(clone_flags);
  const int set = ::semget(IPC_PRIVATE, 1, 0600);
  if (set < 0) HILO_SKIP("System V semaphores are refused here");
  const auto add_one = [&] {
    sembuf up{.sem_num = 0, .sem_op = 1, .sem_flg = SEM_UNDO};
    return ::semop(set, &up, 1);
  };
  // The undo list is made on first use and shared only if it exists or the flag says so.
  CHECK(hilo::clone().start(add_one).wait().code() == 0);
  CHECK(::semctl(set, 0, GETVAL) == 0);  // the child ended: undone

  CHECK(hilo::clone<share::semaphore_undo>().start(add_one).wait().code() == 0);
  CHECK(::semctl(set, 0, GETVAL) == 1);  // the list lives on with us
  ::semctl(set, 0, IPC_RMID);
}

TEST_CASE("share::io_context: one I/O priority with it, a copy without") {
  HILO_NEEDS(clone_flags);
  constexpr int self = 1, best_effort = 2 << 13;
  const long before = ::syscall(SYS_ioprio_get, self, 0);
  if (before < 0 || ::syscall(SYS_ioprio_set, self, 0, best_effort | 4) != 0) {
    HILO_SKIP("the kernel has no I/O priorities");
  }
  const auto lower = [] {
    return static_cast<int>(::syscall(SYS_ioprio_set, self, 0, best_effort | 7));
  };
  CHECK(hilo::clone().start(lower).wait().code() == 0);
  CHECK(::syscall(SYS_ioprio_get, self, 0) == (best_effort | 4));
  CHECK(hilo::clone<share::io_context>().start(lower).wait().code() == 0);
  CHECK(::syscall(SYS_ioprio_get, self, 0) == (best_effort | 7));
  ::syscall(SYS_ioprio_set, self, 0, before);
}
