// Each way to end a process, from each place, while fibers run that never end. The status is kept,
// exit handlers run once, nothing waits and nothing aborts.
#include <csignal>
#include <cstdlib>
#include <string>

#include "runtime/context/tls_block.hpp"
#include "tests/process/programs.hpp"
#include "tests/skip.hpp"

namespace {

void check_ends(const std::string& how, const std::string& where, const std::string& runtime) {
  ::setenv("RUNTIME", runtime.c_str(), 1);
  hilo::test::run_each_way("exits", {how, where, runtime}, [&](const hilo::test::child_end& end) {
    CAPTURE(where);
    CAPTURE(runtime);
    if (how == "terminate") {
      CHECK(end.signal == SIGABRT);
      return;
    }
    CHECK(end.exited);
    CHECK(end.code == 42);
    CHECK(end.output == (how == "exit" ? "h" : how == "quick_exit" ? "q" : ""));
  });
  ::unsetenv("RUNTIME");
}

}  // namespace

TEST_CASE("exit: in a fiber keeps the status and runs the handlers once") {
  for (const char* runtime : {"global", "local static", "in main"}) {
    check_ends("exit", "fiber", runtime);
  }
}

TEST_CASE("exit: in a fiber with a thread block of its own, likewise") {
  if (!hilo::context::tls_refusal().empty()) HILO_SKIP(hilo::context::tls_refusal());
  for (const char* runtime : {"global", "local static", "in main"}) {
    check_ends("exit", "own tls", runtime);
  }
}

TEST_CASE("exit: in hilo::blocking keeps the status and runs the handlers once") {
  for (const char* runtime : {"global", "local static", "in main"}) {
    check_ends("exit", "blocking", runtime);
  }
}

TEST_CASE("exit: in a hilo thread keeps the status, though a fiber or a handle waits for it") {
  for (const char* where : {"thread", "static thread"}) {
    for (const char* runtime : {"global", "local static", "in main"}) {
      check_ends("exit", where, runtime);
    }
  }
}

TEST_CASE("exit: quick_exit, _exit and terminate end the process from each place") {
  for (const char* how : {"quick_exit", "_exit", "terminate"}) {
    for (const char* where : {"fiber", "blocking", "thread"}) {
      check_ends(how, where, "local static");
    }
    check_ends(how, "main", "global");
  }
}

TEST_CASE("exit: in main it waits for the fibers of a static runtime, as a return does") {
  for (const char* how : {"return", "exit in main"}) {
    hilo::test::run_each_way("exits", {how, "main", "finite"},
                             [&](const hilo::test::child_end& end) {
                               CHECK(end.exited);
                               CHECK(end.code == 42);
                               CHECK(end.output == "fh");
                             });
  }
}
