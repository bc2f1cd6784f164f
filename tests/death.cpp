#include "tests/death.hpp"

#include <cerrno>
#include <cstdio>
#include <exception>
#include <system_error>

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace hilo::test {
namespace {

[[noreturn]] void be_the_child(int output, const std::function<void()>& body, unsigned seconds) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  ::signal(SIGALRM, SIG_DFL);
  ::alarm(seconds);
  ::dup2(output, STDOUT_FILENO);
  ::dup2(output, STDERR_FILENO);
  ::close(output);
  // An exception has to end the child here, or doctest above would catch it.
  [&]() noexcept { body(); }();
  std::fflush(nullptr);
  ::_exit(0);  // the parent's destructors and exit handlers are not the child's to run
}

std::string read_to_end(int descriptor) {
  std::string text;
  char buffer[4096];
  while (true) {
    const ssize_t got = ::read(descriptor, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return text;
    text.append(buffer, static_cast<std::size_t>(got));
  }
}

}  // namespace

child_end run_in_child(const std::function<void()>& body, unsigned seconds) {
  int ends[2];
  if (::pipe(ends) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
  std::fflush(nullptr);  // or the child would print what the parent still buffers
  const pid_t child = ::fork();
  if (child < 0) throw std::system_error(errno, std::generic_category(), "fork");
  if (child == 0) {
    ::close(ends[0]);
    be_the_child(ends[1], body, seconds);
  }
  ::close(ends[1]);
  child_end end;
  end.output = read_to_end(ends[0]);
  ::close(ends[0]);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  end.exited = WIFEXITED(status);
  end.code = end.exited ? WEXITSTATUS(status) : 0;
  end.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  return end;
}

std::string child_end::describe() const {
  return (exited ? "exited with " + std::to_string(code)
                 : "killed by signal " + std::to_string(signal)) +
         ", said: " + output;
}

}  // namespace hilo::test
