// What tests/context/unwind.py looks at with gdb: a fiber that stops some calls below its entry,
// and two that switch to each other.
#include "hilo/hilo.hpp"

extern "C" {

[[gnu::noinline]] void stop_here(int depth) {
  asm volatile("" ::"r"(depth) : "memory");
}

[[gnu::noinline]] void go_down(int depth) {
  if (depth == 0) {
    stop_here(depth);
  } else {
    go_down(depth - 1);
  }
  asm volatile("");  // no tail call: each level is a frame
}
}

int main() {
  hilo::run({.carriers = 1}, [] {
    auto other = hilo::spawn([] {
      for (int i = 0; i < 10; ++i) hilo::yield();
    });
    for (int i = 0; i < 10; ++i) hilo::yield();
    go_down(5);
    other.join();
  });
}
