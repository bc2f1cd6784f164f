// The end of a process that main has left: it comes with the last thread, of whatever
// kind that is.
#include "hilo/thread.hpp"

#include "runtime/base/sanitizers.hpp"
#include "tests/process/programs.hpp"
#include "tests/skip.hpp"

TEST_CASE("process: goes on without main until its fibers and threads have ended") {
  if (HILO_TSAN) HILO_SKIP("the thread sanitizer has a thread of its own, which does not end");
  for (const char* what : {"fiber", "blocking", "thread", "after a std::thread"}) {
    hilo::test::check_exits("last_thread", {what}, 42);
  }
}

TEST_CASE("process: the last of all threads calls the exit handlers") {
  if (HILO_TSAN) HILO_SKIP("the thread sanitizer has a thread of its own, which does not end");
  for (const char* what : {"to the last", "main is the last"}) {
    hilo::test::check_exits("last_thread", {what}, 43);
  }
}
