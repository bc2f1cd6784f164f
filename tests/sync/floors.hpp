// Runs a test body on both floors: in fibers, on each runtime, and in a plain kernel thread.
#pragma once

#include <thread>

#include "tests/runtimes.hpp"

namespace hilo::test {

template <class F>
void on_both_floors(F body) {
  on_each_runtime(body);
  std::thread(body).join();
}

}  // namespace hilo::test
