// Crashes in a fiber, for the test of the crash report: crashing_program SHAPE.
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hilo/fiber.hpp"
#include "hilo/runtime.hpp"

namespace {

volatile int zero = 0;

// Volatile, so that the compiler does not see where it points.
volatile std::uintptr_t nowhere = 0x10;

[[gnu::noinline]] void crash(std::string_view shape) {
  if (shape == "fpe") {
    std::printf("%d\n", 7 / zero);
  } else if (shape == "ill") {
    __builtin_trap();
  } else if (shape == "bus") {
    char name[] = "/tmp/hilo-crash-XXXXXX";
    const int file = ::mkstemp(name);
    ::unlink(name);
    auto* const page =
        static_cast<volatile char*>(::mmap(nullptr, 4096, PROT_READ, MAP_SHARED, file, 0));
    std::printf("%d\n", page[0]);  // the file is empty
  } else {
    *reinterpret_cast<volatile int*>(nowhere) = 1;
  }
}

void on_signal(int) {
  (void)!::write(STDOUT_FILENO, "the program's own handler\n", 26);
  ::_exit(7);
}

}  // namespace

int main(int count, char** arguments) {
  const std::string_view shape = count > 1 ? arguments[1] : "segv";
  if (shape == "handler_before") std::signal(SIGSEGV, on_signal);
  hilo::run({.carriers = 1}, [&] {
    if (shape == "handler_after") std::signal(SIGSEGV, on_signal);
    if (shape == "sent") std::raise(SIGSEGV);
    hilo::spawn({.name = "faulty"}, [&] { crash(shape); }).join();
  });
}
