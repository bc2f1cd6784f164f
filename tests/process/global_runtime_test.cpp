// A runtime that is a global object of a program.
#include <csignal>
#include <cstdlib>

#include "tests/process/programs.hpp"

TEST_CASE("global runtime: runs fibers before main and in main") {
  hilo::test::check_exits("global_runtime", {""}, 0);
}

TEST_CASE("global runtime: guards its stacks before main") {
  ::setenv("EARLY", "1", 1);
  hilo::test::run_each_way("global_runtime", {""}, [](const hilo::test::child_end& end) {
    CHECK(end.signal == SIGSEGV);
    CHECK(end.says("stack overflow in fiber"));
  });
  ::unsetenv("EARLY");
}
