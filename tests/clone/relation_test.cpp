// Parent and child: whose child it is, who sleeps, which signal tells of its end, who traces it.
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <string>
#include <system_error>

#include <fcntl.h>
#include <pthread.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hilo/clone.hpp"

#include "tests/clone/observe.hpp"
#include "tests/doctest.hpp"
#include "tests/emulator.hpp"

namespace share = hilo::share;
namespace with = hilo::with;
using namespace std::chrono_literals;
using hilo::test::window;

TEST_CASE("share::parent: the child's parent is the caller's with it, the caller without") {
  HILO_NEEDS(clone_flags);
  window<pid_t> seen;
  struct report {
    pid_t middle, child;
    int how;
  };
  window<report> told;
  for (const bool on : {true, false}) {
    CAPTURE(on);
    // The caller is a child of ours, so that the parent is us.
    hilo::child middle = hilo::clone().start([&] {
      const auto more = on ? share::parent : hilo::clone_flags::none;
      hilo::child grandchild = hilo::clone(more).start([&] { *seen = ::getppid(); });
      told->middle = ::getpid();
      told->child = grandchild.id();
      told->how = static_cast<int>(grandchild.wait().how());
    });
    CHECK(middle.wait().code() == 0);
    CHECK(*seen == (on ? ::getpid() : told->middle));
    using kind = hilo::exit_status::kind;
    CHECK(told->how == static_cast<int>(on ? kind::unseen : kind::exited));
    int status = -1;
    CHECK(::waitpid(told->child, &status, 0) == (on ? told->child : -1));
    if (on) {
      CHECK(WIFEXITED(status));
    }
  }
}

TEST_CASE("with::caller_asleep: the caller goes on only after the child's end or exec") {
  HILO_NEEDS(clone_flags);
  struct order {
    std::atomic<int> next{0};
    int child = 0, parent = 0;
  };
  for (const bool shared : {false, true}) {
    if (shared && hilo::kernel::understood_layout().layout == nullptr) continue;
    CAPTURE(shared);
    const auto memory = shared ? share::memory : hilo::clone_flags::none;
    window<order> events;
    hilo::child first = hilo::clone(memory | with::caller_asleep).start([&] {
      ::usleep(20'000);  // so that a caller that is awake would come first
      events->child = events->next.fetch_add(1, std::memory_order_relaxed);
    });
    events->parent = events->next.fetch_add(1, std::memory_order_relaxed);
    CHECK(first.wait().exited());
    CHECK(events->child == 0);
    CHECK(events->parent == 1);

    // Without it both run: this child ends only after the caller has gone on.
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    hilo::child second = hilo::clone(memory).start([&] {
      char byte = 0;
      return ::read(ends[0], &byte, 1) == 1 ? 0 : 1;
    });
    CHECK(::write(ends[1], "x", 1) == 1);
    CHECK(second.wait().code() == 0);
    ::close(ends[0]);
    ::close(ends[1]);
  }
}

TEST_CASE("with::caller_asleep: exec lets the caller go on, in its own memory") {
  HILO_NEEDS_SHARED_MEMORY();
  hilo::child program = hilo::clone<share::memory | with::caller_asleep>().start([] {
    ::execl("/bin/sh", "sh", "-c", "exit 9", nullptr);
    return 127;
  });
  CHECK(program.wait().code() == 9);
}

namespace {

// Blocks a signal while it lives, so that it can be waited for.
class expected_signal {
 public:
  explicit expected_signal(int signal) {
    sigemptyset(&set_);
    sigaddset(&set_, signal);
    ::pthread_sigmask(SIG_BLOCK, &set_, &before_);
  }
  ~expected_signal() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

  // The process it tells of; -1 when none comes.
  pid_t sender(std::chrono::nanoseconds patience) {
    const timespec time{.tv_sec = 0, .tv_nsec = static_cast<long>(patience.count())};
    siginfo_t info{};
    return ::sigtimedwait(&set_, &info, &time) < 0 ? -1 : info.si_pid;
  }

 private:
  sigset_t set_, before_;
};

}  // namespace

TEST_CASE("exit_signal: the parent gets the one asked for, which by default is SIGCHLD") {
  HILO_NEEDS(clone_flags);
  expected_signal usr1(SIGUSR1), chld(SIGCHLD);
  hilo::child asked = hilo::clone().exit_signal(SIGUSR1).start([] {});
  CHECK(usr1.sender(900ms) == asked.id());
  CHECK(chld.sender(1ms) == -1);
  (void)asked.wait();

  hilo::child usual = hilo::clone().start([] {});
  CHECK(chld.sender(900ms) == usual.id());
  CHECK(usr1.sender(1ms) == -1);
  (void)usual.wait();
}

TEST_CASE("exit_signal: 0 is none, and only waits with __WALL or __WCLONE see the child") {
  HILO_NEEDS(clone_flags);
  expected_signal chld(SIGCHLD);
  hilo::child quiet = hilo::clone().exit_signal(0).start([] { return 4; });
  int status = 0;
  CHECK(::waitpid(quiet.id(), &status, 0) == -1);
  CHECK(errno == ECHILD);
  siginfo_t info{};
  CHECK(::waitid(P_PID, static_cast<id_t>(quiet.id()), &info,
                 static_cast<int>(WEXITED | WNOWAIT | __WALL)) == 0);
  CHECK(info.si_status == 4);
  CHECK(::waitid(P_PID, static_cast<id_t>(quiet.id()), &info,
                 static_cast<int>(WEXITED | WNOWAIT | __WCLONE)) == 0);
  CHECK(quiet.wait().code() == 4);
  CHECK(chld.sender(1ms) == -1);
}

namespace {

// The process that traces the caller, 0 for none. Async-signal-safe, for children.
pid_t tracer() {
  char text[4096];
  const int file = ::open("/proc/self/status", O_RDONLY | O_CLOEXEC);
  const ssize_t length = ::read(file, text, sizeof text - 1);
  ::close(file);
  if (length <= 0) return -1;
  text[length] = '\0';
  const char* line = std::strstr(text, "TracerPid:");
  return line == nullptr ? -1 : std::atoi(line + std::strlen("TracerPid:"));
}

struct traced_end {
  bool permitted = true;
  pid_t tracer_of_child = -1;
};

// Runs a caller of clone under this thread as its tracer, with these ptrace options, and tells who
// traces the child that it makes with these flags.
traced_end trace_clone(hilo::clone_flags flags, long options) {
  window<traced_end> seen;
  hilo::child caller = hilo::clone().start([&] {
    if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) {
      seen->permitted = false;
      return 0;
    }
    ::raise(SIGSTOP);
    hilo::child made = hilo::clone(flags).start([&] { seen->tracer_of_child = tracer(); });
    return made.wait().code();
  });
  const pid_t id = caller.id();
  int status = 0;
  // Lets every stop of the caller, and of a child that we come to trace, go on.
  while (true) {
    const pid_t stopped = ::waitpid(-1, &status, __WALL);
    if (stopped < 0) break;
    if (!WIFSTOPPED(status)) {
      if (stopped == id) break;
      continue;
    }
    if (stopped == id && WSTOPSIG(status) == SIGSTOP && status >> 16 == 0 && options != 0) {
      ::ptrace(PTRACE_SETOPTIONS, id, nullptr, options);
    }
    const bool event = status >> 16 != 0 || WSTOPSIG(status) == SIGSTOP;
    ::ptrace(PTRACE_CONT, stopped, nullptr,
             reinterpret_cast<void*>(static_cast<long>(event ? 0 : WSTOPSIG(status))));
  }
  (void)caller.wait();  // collected above
  return *seen;
}

}  // namespace

TEST_CASE("share::tracer: the caller's tracer traces the child with it, nobody without") {
  const traced_end on = trace_clone(share::tracer, 0);
  if (!on.permitted) HILO_SKIP("ptrace is refused here");
  CHECK(on.tracer_of_child == ::getpid());
  CHECK(trace_clone(hilo::clone_flags::none, 0).tracer_of_child == 0);
}

TEST_CASE("with::untraced: a tracer that follows clones gets the child without it, not with it") {
  constexpr long follow = PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK;
  const traced_end off = trace_clone(hilo::clone_flags::none, follow);
  if (!off.permitted) HILO_SKIP("ptrace is refused here");
  CHECK(off.tracer_of_child == ::getpid());
  CHECK(trace_clone(with::untraced, follow).tracer_of_child == 0);
}
