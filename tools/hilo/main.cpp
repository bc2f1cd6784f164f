// The hilo command.
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <span>
#include <string_view>

#include <signal.h>
#include <unistd.h>

#include "runtime/tool/root.hpp"
#include "tools/hilo/dump.hpp"
#include "tools/hilo/failure.hpp"
#include "tools/hilo/help.hpp"
#include "tools/hilo/info.hpp"
#include "tools/hilo/top.hpp"
#include "tools/hilo/trace.hpp"

namespace hilo::command {
namespace {

// Nothing has to be undone: the kernel lets the threads of a stopped process go on when the command
// ends.
void end_by_signal(int signal) {
  constexpr std::string_view text = "hilo: interrupted; the process that was read goes on\n";
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text.data(), text.size());
  ::_exit(128 + signal);
}

void expect_signals() {
  struct sigaction action {};
  action.sa_handler = end_by_signal;
  for (const int one : {SIGINT, SIGTERM, SIGHUP}) ::sigaction(one, &action, nullptr);
}

void print(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
}

void run(std::span<char* const> arguments) {
  const std::string_view first = arguments.empty() ? std::string_view() : arguments[0];
  if (arguments.empty()) {
    throw failure(exit_code::wrong_usage, "a command is missing; see hilo help");
  }
  const auto rest = arguments.subspan(1);
  if (first == "--version") {
    print("hilo " HILO_VERSION "\n");
  } else if (first == "help" || first == "--help" || first == "-h") {
    print(help_for(rest.empty() ? std::string_view() : rest[0]));
  } else if (!rest.empty() && (std::string_view(rest[0]) == "--help")) {
    print(help_for(first));
  } else if (first == "dump") {
    dump(rest);
  } else if (first == "top") {
    top(rest);
  } else if (first == "trace") {
    trace(rest);
  } else if (first == "info") {
    info(rest);
  } else {
    throw failure(exit_code::wrong_usage,
                  "there is no command \"" + std::string(first) + "\"; see hilo help");
  }
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    throw failure(exit_code::unreadable,
                  std::string("cannot write the output: ") + std::strerror(errno));
  }
}

}  // namespace
}  // namespace hilo::command

int main(int count, char** arguments) {
  using namespace hilo::command;
  expect_signals();
  try {
    run(std::span(arguments, static_cast<std::size_t>(count)).subspan(count > 0 ? 1 : 0));
    return 0;
  } catch (const failure& error) {
    std::fflush(stdout);
    std::fprintf(stderr, "hilo: %s\n", error.what());
    return static_cast<int>(error.code());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "hilo: %s\n", error.what());
    return static_cast<int>(exit_code::unreadable);
  }
}
