// What clone shares, flag by flag, as it can be seen: each row makes one child with the flag and
// one without, and tells what the two differ in. With any argument it shows the namespaces too, for
// which one must be root as a rule.
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <hilo/clone.hpp>
#include <string>
#include <system_error>

#include <fcntl.h>
#include <poll.h>
#include <sys/sem.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace share = hilo::share;
namespace fresh = hilo::fresh;
namespace with = hilo::with;
using hilo::clone_flags;

namespace {

void print_row(const char* flag, const std::string& on, const std::string& off) {
  std::printf("| %-20s | %-26s | %-26s |\n", flag, on.c_str(), off.c_str());
}

void row(const char* flag, const std::function<const char*(bool on)>& observe) {
  std::string on, off;
  try {
    off = observe(false);
    on = observe(true);
  } catch (const std::system_error& refused) {
    on = "refused: " + std::to_string(refused.code().value());
  }
  print_row(flag, on, off);
}

clone_flags when(bool on, clone_flags flag) {
  return on ? flag : clone_flags::none;
}

// Runs a child to its end.
template <class F>
int run(clone_flags flags, F&& body) {
  return hilo::clone(flags).start(body).wait().code();
}

void on_signal(int) {}

bool handled(int signal) {
  struct sigaction now {};
  ::sigaction(signal, nullptr, &now);
  return now.sa_handler == on_signal;
}

constexpr auto memory_and_handlers = share::memory | share::signal_handlers;
thread_local int own = 0;

void what_is_shared() {
  row("CLONE_VM", [](bool on) {
    int value = 1;
    run(when(on, share::memory), [&] { value = 2; });
    return value == 2 ? "one memory" : "a copy";
  });
  row("CLONE_FS", [](bool on) {
    ::umask(022);
    run(when(on, share::filesystem), [] { ::umask(0111); });
    return ::umask(022) == 0111 ? "one umask, root, directory" : "a copy";
  });
  row("CLONE_FILES", [](bool on) {
    const int file = ::open("/dev/null", O_RDONLY);
    run(when(on, share::files), [&] { ::close(file); });
    return ::close(file) == 0 ? "a copy" : "one descriptor table";
  });
  row("CLONE_SIGHAND", [](bool on) {
    ::signal(SIGUSR1, SIG_DFL);
    run(share::memory | when(on, share::signal_handlers), [] { ::signal(SIGUSR1, on_signal); });
    return handled(SIGUSR1) ? "one table of handlers" : "a copy";
  });
  row("CLONE_SYSVSEM", [](bool on) {
    const int set = ::semget(IPC_PRIVATE, 1, 0600);
    run(when(on, share::semaphore_undo), [&] {
      sembuf up{0, 1, SEM_UNDO};
      return ::semop(set, &up, 1);
    });
    const int value = ::semctl(set, 0, GETVAL);
    ::semctl(set, 0, IPC_RMID);
    return value == 1 ? "undone at our end" : "undone at the child's end";
  });
  row("CLONE_THREAD", [](bool on) {
    pid_t process = 0;
    run(memory_and_handlers | when(on, share::thread_group), [&] { process = ::getpid(); });
    return process == ::getpid() ? "a thread of this process" : "a process of its own";
  });
}

void what_the_child_is_given() {
  row("CLONE_SETTLS", [](bool on) {
    const int* address = nullptr;
    const auto look = [&] { address = &own; };
    auto builder = hilo::clone<share::memory | with::caller_asleep>();
    if (!on) builder.thread_block(hilo::callers_block{});
    (void)builder.start(look).wait();
    return address == &own ? "the caller's" : "its own thread_local";
  });
  row("CLONE_PARENT_SETTID", [](bool on) {
    std::atomic<std::uint32_t> word = 0;
    auto builder = hilo::clone();
    if (on) builder.parent_tid(word);
    hilo::child child = builder.start([] {});
    const bool stored = word.load(std::memory_order_relaxed) != 0;
    return stored ? "number in our word" : "untouched";
  });
  row("CLONE_CHILD_SETTID", [](bool on) {
    std::atomic<std::uint32_t> word = 0;
    auto builder = hilo::clone();
    if (on) builder.child_tid(word);
    const auto look = [&] { return word.load(std::memory_order_relaxed) != 0 ? 1 : 0; };
    return builder.start(look).wait().code() == 1 ? "number in the child's word" : "untouched";
  });
  row("CLONE_CHILD_CLEARTID", [](bool on) {
    std::atomic<std::uint32_t> word = 1;
    auto builder = hilo::clone<share::memory>();
    if (on) builder.clear_tid(word);
    (void)builder.start([] {}).wait();
    return word.load(std::memory_order_relaxed) == 0 ? "cleared at the child's end" : "untouched";
  });
  row("CLONE_PIDFD", [](bool on) {
    const int free = ::dup(0);
    ::close(free);
    hilo::child child = hilo::clone(when(on, with::pidfd)).start([] {});
    const int next = ::dup(0);  // the lowest number that is free
    ::close(next);
    return next != free ? "a descriptor of the child" : "none";
  });
  row("CLONE_CLEAR_SIGHAND", [](bool on) {
    ::signal(SIGUSR1, on_signal);
    const int code = run(when(on, fresh::signal_handlers), [] { return handled(SIGUSR1) ? 1 : 0; });
    return code == 0 ? "default handlers" : "a copy of ours";
  });
}

void how_they_are_related() {
  row("CLONE_PARENT", [](bool on) {
    // It is made by a child of ours, and tells whether its parent is us.
    int code = run(clone_flags::none, [&] {
      hilo::child child = hilo::clone(when(on, share::parent)).start([us = ::getppid()] {
        return ::getppid() == us ? 1 : 0;
      });
      return child.wait().code();
    });
    int status = 0;
    if (on && ::waitpid(-1, &status, 0) > 0) code = WEXITSTATUS(status);
    return code == 1 ? "our parent's child" : "our own child";
  });
  row("CLONE_VFORK", [](bool on) {
    int ends[2];
    if (::pipe(ends) != 0) return "no pipe";
    hilo::child child = hilo::clone(when(on, with::caller_asleep)).start([&] {
      pollfd news{.fd = ends[0], .events = POLLIN, .revents = 0};
      return ::poll(&news, 1, on ? 20 : -1) == 1 ? 2 : 1;  // do we hear of the parent?
    });
    const bool told = ::write(ends[1], "x", 1) == 1;
    const int code = child.wait().code();
    ::close(ends[0]);
    ::close(ends[1]);
    return told && code == 2 ? "both run" : "we sleep until exec or end";
  });
  row("exit signal", [](bool on) {
    auto builder = hilo::clone();
    if (!on) builder.exit_signal(0);
    hilo::child child = builder.start([] {});
    const bool seen = ::waitpid(child.id(), nullptr, 0) > 0;
    return seen ? "sent; wait sees the end" : "none, only __WALL waits";
  });
}

void namespaces() {
  struct kind {
    const char* flag;
    const char* file;
    clone_flags value;
  };
  for (const kind each :
       {kind{"CLONE_NEWNS", "mnt", fresh::mounts}, kind{"CLONE_NEWUTS", "uts", fresh::hostname},
        kind{"CLONE_NEWPID", "pid", fresh::pids}, kind{"CLONE_NEWNET", "net", fresh::network},
        kind{"CLONE_NEWUSER", "user", fresh::users}, kind{"CLONE_NEWIPC", "ipc", fresh::ipc},
        kind{"CLONE_NEWCGROUP", "cgroup", fresh::cgroups}}) {
    row(each.flag, [&](bool on) {
      const std::string link = std::string("/proc/self/ns/") + each.file;
      char ours[64] = "";
      (void)!::readlink(link.c_str(), ours, sizeof ours - 1);
      const int code = run(when(on, each.value), [&] {
        char theirs[64] = "";
        (void)!::readlink(link.c_str(), theirs, sizeof theirs - 1);
        return std::strcmp(ours, theirs) == 0 ? 1 : 0;
      });
      return code == 1 ? "ours" : "a new namespace";
    });
  }
}

}  // namespace

int main(int count, char**) {
  print_row("flag", "on", "off");
  print_row("---", "---", "---");
  what_is_shared();
  what_the_child_is_given();
  how_they_are_related();
  if (count > 1) namespaces();
}
