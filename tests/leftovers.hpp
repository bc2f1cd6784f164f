// What a test case must not leave behind. main.cpp takes stock before each test case and compares
// after it: kernel threads, open descriptors, child processes, and every counter added here.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace hilo::test {

// Adds a count that must be back at its earlier value after each test case, such as live fibers.
// Returns true so that a test source can add it while it is initialised:
//   const bool counted = hilo::test::count_leftovers("live fibers", live_fibers);
bool count_leftovers(const char* what, std::size_t (*count)());

// How many kernel threads the process has.
std::size_t kernel_threads();

// Excuses the running test case from the comparison, for a reason that is printed.
void allow_leftovers(const char* why);

struct stock {
  std::size_t threads = 0;
  bool children = false;
  std::vector<std::string> descriptors;  // "7 -> socket:[1234]", sorted
  std::vector<std::size_t> counts;       // in the order of count_leftovers
};

stock take_stock();

// What is there now and was not there before, in words; empty when nothing is. Waits a moment for
// the kernel to drop threads that have been joined, since their join word is cleared earlier.
std::string leftovers_since(const stock& before);

// Whether the test case that just ended asked to be excused; forgets it.
bool excused();

}  // namespace hilo::test
