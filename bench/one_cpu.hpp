// The calling thread on one CPU, for programs that measure the distance of two.
#pragma once

#include <cstdio>
#include <cstdlib>

#include <sched.h>

namespace bench {

// Ends the program if the CPU cannot be had.
inline void run_on(int cpu) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(cpu, &one);
  if (::sched_setaffinity(0, sizeof one, &one) != 0) {
    std::perror("sched_setaffinity");
    std::exit(1);
  }
}

}  // namespace bench
