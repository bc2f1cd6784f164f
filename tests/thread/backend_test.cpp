// The choice of the backend: found by itself, forced, and reported with its reason.
#include "runtime/thread/backend.hpp"

#include <cstdlib>
#include <string>
#include <string_view>

#include <unistd.h>

#include "hilo/thread.hpp"

#include "tests/death.hpp"
#include "tests/doctest.hpp"
#include "tests/skip.hpp"

using hilo::kernel::choose_backend;
using hilo::kernel::find_libc_symbol;

namespace {

// Runs the tests of this program that match, in a process whose backend is forced.
hilo::test::child_end run_forced(const char* backend, const char* tests) {
  return hilo::test::run_in_child([backend, tests] {
    ::setenv("HILO_THREADS", backend, 1);
    const std::string filter = std::string("--test-case=") + tests;
    ::execl("/proc/self/exe", "thread_test", filter.c_str(), static_cast<char*>(nullptr));
  });
}

bool can_clone() {
  return choose_backend(nullptr, find_libc_symbol).report.kind == hilo::thread_backend_kind::clone;
}

}  // namespace

TEST_CASE("backend: is reported with a reason") {
  const auto& report = hilo::thread_backend();
  CAPTURE(report.reason);
  CHECK_FALSE(report.reason.empty());
  CHECK(report.name == (report.kind == hilo::thread_backend_kind::clone ? "clone" : "pthread"));
}

TEST_CASE("backend: HILO_THREADS forces it, and a wrong value is named") {
  CHECK(choose_backend("pthread", find_libc_symbol).report.reason == "HILO_THREADS=pthread");
  if (!can_clone()) HILO_SKIP("this build has only the pthread backend");
  CHECK(choose_backend("clone", find_libc_symbol).report.name == "clone");
  const auto odd = choose_backend("fibers", find_libc_symbol).report;
  CHECK(odd.name == "clone");
  CHECK(odd.reason.find("HILO_THREADS=fibers") != std::string::npos);
}

TEST_CASE("backend: a libc without a descriptor is not guessed at") {
  if (!can_clone()) HILO_SKIP("this build has only the pthread backend");
  const auto without_tid = [](const char* name, void* linked) -> void* {
    return std::string_view(name) == "_thread_db_pthread_tid" ? nullptr
                                                              : find_libc_symbol(name, linked);
  };
  const auto choice = choose_backend("clone", without_tid).report;
  CHECK(choice.kind == hilo::thread_backend_kind::pthread);
  CHECK(choice.reason.find("HILO_THREADS=clone cannot be followed") == 0);
  CHECK(choice.reason.find("_thread_db_pthread_tid") != std::string::npos);
}

TEST_CASE("backend: pthreads, forced, pass the tests of threads and citizens") {
  for (const char* tests : {"thread:*", "placement:*", "citizen:*", "dlopen:*"}) {
    const auto end = run_forced("pthread", tests);
    CAPTURE(end.describe());
    CHECK(end.exited);
    CHECK(end.code == 0);
    CHECK(end.says(", 0 failed"));
  }
}
