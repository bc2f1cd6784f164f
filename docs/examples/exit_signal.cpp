// The exit signal: what tells the parent of the child's end, and who may wait for it.
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <hilo/clone.hpp>

#include <pthread.h>
#include <sys/wait.h>

int main() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGUSR1);
  sigaddset(&signals, SIGCHLD);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  hilo::child loud = hilo::clone().exit_signal(SIGUSR1).start([] { return 3; });
  siginfo_t news{};
  ::sigwaitinfo(&signals, &news);
  std::printf("%s from %s\n", news.si_signo == SIGUSR1 ? "SIGUSR1" : "another signal",
              news.si_pid == loud.id() ? "the child" : "somebody else");
  std::printf("it %s\n", loud.wait().describe().c_str());

  hilo::child quiet = hilo::clone().exit_signal(0).start([] { return 4; });
  const pid_t plain = ::waitpid(quiet.id(), nullptr, 0);
  std::printf("waitpid without __WALL: %s\n", plain < 0 && errno == ECHILD ? "ECHILD" : "found");
  int status = 0;
  const pid_t all = ::waitpid(quiet.release(), &status, __WALL);
  std::printf("waitpid with __WALL: %s, exit code %d\n", all > 0 ? "found" : "ECHILD",
              WEXITSTATUS(status));

  const timespec no_time{};
  const bool any = ::sigtimedwait(&signals, nullptr, &no_time) >= 0;
  std::printf("signals since: %s\n", any ? "some" : "none");
}
