// The end of a process that main has left: it comes with the last thread, whoever made that.
#include "hilo/thread.hpp"

#include "tests/process/programs.hpp"

TEST_CASE("process: goes on without main until its fibers and threads have ended") {
  for (const char* what : {"fiber", "blocking", "thread", "after a std::thread"}) {
    hilo::test::check_exits("last_thread", {what}, 42);
  }
}

TEST_CASE("process: the last of all threads calls the exit handlers") {
  for (const char* what : {"to the last", "main is the last"}) {
    hilo::test::check_exits("last_thread", {what}, 43);
  }
}
