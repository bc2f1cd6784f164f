// In the child of a fork nothing of the parent's runtime runs, and the child's own does.
#include "runtime/base/sanitizers.hpp"
#include "runtime/context/tls_block.hpp"
#include "tests/process/programs.hpp"
#include "tests/skip.hpp"

namespace {

void check_forks(const char* from, std::initializer_list<const char*> what) {
  for (const char* each : what) hilo::test::check_exits("forks", {from, each}, 0);
}

}  // namespace

// The locks of a sanitizer's runtime are held by threads that the child does not have.
#define NOT_UNDER_SANITIZERS() \
  if (HILO_ASAN || HILO_TSAN) HILO_SKIP("a sanitizer's locks may be held in the child of a fork")

TEST_CASE("fork: in a fiber, the child is a plain thread and can start a runtime") {
  NOT_UNDER_SANITIZERS();
  check_forks("fiber",
              {"thread", "runtime", "both", "nested", "exec", "exit", "spawn there", "wait"});
  check_forks("limited fiber", {"both"});
}

TEST_CASE("fork: in a fiber with a thread block of its own") {
  NOT_UNDER_SANITIZERS();
  if (!hilo::context::tls_refusal().empty()) HILO_SKIP(hilo::context::tls_refusal());
  check_forks("own tls", {"both", "exit"});
}

TEST_CASE("fork: in hilo::blocking, and the child may leave that") {
  NOT_UNDER_SANITIZERS();
  check_forks("blocking", {"both", "exec", "exit", "wait"});
  check_forks("after blocking", {"both", "exit"});
}

TEST_CASE("fork: beside calls in flight") {
  NOT_UNDER_SANITIZERS();
  check_forks("io", {"both", "exit"});
}

TEST_CASE("fork: in a hilo thread and in main, while a runtime lives") {
  NOT_UNDER_SANITIZERS();
  check_forks("thread", {"both", "exit", "spawn there", "wait"});
  check_forks("main", {"both", "exit", "spawn there", "wait"});
}

TEST_CASE("fork: a child of hilo::clone on a copy of the memory is like one of fork") {
  NOT_UNDER_SANITIZERS();
  check_forks("clone", {"both", "exit"});
}

TEST_CASE("fork: a child that leaves the fiber drops what is the parent's, and exits with 0") {
  NOT_UNDER_SANITIZERS();
  check_forks("return", {"normally", "by exception"});
}
