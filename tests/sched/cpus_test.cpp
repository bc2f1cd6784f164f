// How many carriers a runtime has by default.

#include <cstdlib>

#include <sched.h>

#include "hilo/runtime.hpp"

#include "tests/death.hpp"
#include "tests/doctest.hpp"

using hilo::test::run_in_child;

TEST_CASE("available_cpus: no more than the affinity mask allows, and at least one") {
  CHECK(hilo::available_cpus() >= 1);
  const auto end = run_in_child([] {
    cpu_set_t one;
    if (::sched_getaffinity(0, sizeof one, &one) != 0) std::_Exit(3);
    int first = 0;
    while (!CPU_ISSET(first, &one)) ++first;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    if (::sched_setaffinity(0, sizeof one, &one) != 0) std::_Exit(4);
    if (hilo::available_cpus() != 1) std::_Exit(5);
    std::_Exit(hilo::runtime().carriers() == 1 ? 0 : 6);
  });
  CAPTURE(end.describe());
  CHECK((end.exited && end.code == 0));
}
