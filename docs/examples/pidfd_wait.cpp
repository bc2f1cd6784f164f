// A fiber that waits for a child process parks, and its carrier goes on: here the only carrier runs
// the fiber that the child, and so the first fiber, waits for.
#include <chrono>
#include <csignal>
#include <cstdio>
#include <hilo/hilo.hpp>

#include <unistd.h>

int main() {
  int ends[2];
  if (::pipe(ends) != 0) return 1;
  hilo::run({.carriers = 1}, [&] {
    hilo::child process = hilo::clone<hilo::with::pidfd>().start([&] {
      char byte = 0;
      return ::read(ends[0], &byte, 1) == 1 ? 0 : 1;
    });

    auto other = hilo::spawn([&] {
      std::printf("second fiber: I run, and let the child go\n");
      if (::write(ends[1], "x", 1) != 1) std::printf("the pipe is broken\n");
    });
    std::printf("first fiber: I wait for a child process\n");
    const hilo::exit_status end = process.wait();
    std::printf("first fiber: it %s\n", end.describe().c_str());
    other.join();

    hilo::child sleeper = hilo::clone().start([] { return ::pause(); });
    if (!sleeper.wait_for(std::chrono::milliseconds(20)).has_value()) {
      std::printf("first fiber: the next one takes too long\n");
      sleeper.kill(SIGTERM);
    }
    std::printf("first fiber: it was %s\n", sleeper.wait().describe().c_str());
  });
}
