// A runtime as a global object: its constructor runs before initialisers of a library that is
// linked statically. With EARLY set, a fiber overflows its stack there, and the report must come.
#include <cstdio>
#include <cstdlib>

#include "hilo/hilo.hpp"

namespace {

[[gnu::noinline]] int deep(int n) {
  volatile char frame[512];
  frame[0] = static_cast<char>(n);
  return n == 0 ? frame[0] : deep(n - 1) + frame[0];
}

struct application {
  hilo::runtime fibers{{.carriers = 1}};
  application() {
    if (std::getenv("EARLY") != nullptr) fibers.run([] { return deep(1 << 20); });
  }
} everything;

}  // namespace

int main() {
  const std::size_t used = everything.fibers.run([] {
    const hilo::spawn_options painted{.paint_stack = true};
    return hilo::spawn(painted, [] { return hilo::stack_usage().used; }).join();
  });
  return used > 0 && used < 64 * 1024 ? 0 : 1;
}
