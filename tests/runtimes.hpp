// Runs a test body on runtimes of 1, 2, 4 and 8 carriers, so that every promise is kept with more
// workers than CPUs and with fewer.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <string>
#include <utility>

#include "hilo/runtime.hpp"

#include "tests/doctest.hpp"

namespace hilo::test {

template <class F>
void on_each_runtime(F&& body) {
  for (const unsigned carriers : {1U, 2U, 4U, 8U}) {
    CAPTURE(carriers);
    run(runtime_options{.carriers = carriers}, body);
  }
}

// Parks the calling fiber and returns on another carrier. It is woken by a fiber that then keeps
// its carrier busy until another one took the caller away; so there must be one that is idle at
// times.
void migrate();

// A stress test's seed: HILO_SEED if set, else drawn; INFO prints it when a check fails.
std::uint64_t stress_seed();

}  // namespace hilo::test
