// Kernel threads with a name, CPUs and a nice value, and what they wait for each other with.
#include <cstdio>
#include <mutex>
#include <system_error>

#include "hilo/kernel.hpp"
#include "hilo/thread.hpp"

int main() {
  hilo::kernel::mutex guard;
  hilo::kernel::latch ready(2);
  int sum = 0;
  const auto add = [&](int number) {
    const std::scoped_lock lock(guard);
    sum += number;
    ready.count_down();
  };
  const auto cpus = hilo::this_thread::cpus();
  hilo::thread first({.name = "first", .cpus = {cpus.front()}}, add, 40);
  hilo::thread second({.name = "second", .nice = 10}, add, 2);
  ready.wait();
  std::printf("the sum is %d\n", sum);

  std::error_code error;
  hilo::thread refused(error, {.stack_size = 1}, [] { std::puts("never said"); });
  std::printf("a stack of one byte: %s\n", error ? "refused" : "granted");
}
