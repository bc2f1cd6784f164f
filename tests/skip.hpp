// Skipping at run time: a test that this machine cannot run says why and is counted as skipped,
// never as passed.
#pragma once

#include <string>

namespace hilo::test {

// Marks the running test case as skipped. Use HILO_SKIP, which also leaves the test case.
void skip(const std::string& why);

}  // namespace hilo::test

// Ends the test case as skipped: HILO_SKIP("needs 5 GiB, 2 GiB are free"). Stands in the body of a
// TEST_CASE, on the thread that runs it.
#define HILO_SKIP(why)       \
  do {                       \
    ::hilo::test::skip(why); \
    return;                  \
  } while (false)
