// Crews of threads for the tests of the primitives: every promise is tested with 1 to 8.
#pragma once

#include <vector>

#include "hilo/thread.hpp"

#include "runtime/base/sanitizers.hpp"
#include "tests/emulator.hpp"

namespace hilo::test {

// Rounds of a loop that finds races by repetition; fewer where each costs ten times as much.
inline int rounds(int usual) {
  return repetitions(HILO_ASAN || HILO_TSAN ? usual / 10 : usual);
}

// Runs f(0) … f(size - 1) at once.
template <class F>
void with_crew(int size, F f) {
  std::vector<hilo::thread> crew;
  for (int me = 0; me < size; ++me) crew.emplace_back([&f, me] { f(me); });
  for (auto& each : crew) each.join();
}

// For 1, 2, 4 and 8 threads: f(size).
template <class F>
void with_each_size(F f) {
  for (const int size : {1, 2, 4, 8}) f(size);
}

}  // namespace hilo::test
