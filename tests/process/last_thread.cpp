// A program whose main thread leaves by pthread_exit: the process must go on until its other
// threads have ended. The argument names what else is there. The status is 42 if that ran to its
// end after main had gone, and 43 if then the last thread of all called the exit handlers.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <string>
#include <thread>

#include <pthread.h>
#include <unistd.h>

#include "hilo/hilo.hpp"

#include "tests/process/carriers.hpp"

using namespace std::chrono_literals;

namespace {

// Whether the first thread of the process has ended: the kernel keeps it as a zombie.
bool main_has_gone() {
  char text[256] = "";
  const std::string path = "/proc/self/task/" + std::to_string(::getpid()) + "/stat";
  if (std::FILE* file = std::fopen(path.c_str(), "re")) {
    const std::size_t length = std::fread(text, 1, sizeof text - 1, file);
    text[length] = '\0';
    std::fclose(file);
  }
  const char* const name_end = std::strrchr(text, ')');
  return name_end != nullptr && name_end[1] == ' ' && name_end[2] == 'Z';
}

void await_end_of_main() {
  while (!main_has_gone()) hilo::sleep_for(1ms);
  hilo::sleep_for(5ms);
}

std::ptrdiff_t tasks() {
  const std::filesystem::directory_iterator all("/proc/self/task");
  return std::distance(begin(all), end(all));
}

void leave() {
  await_end_of_main();
  ::_exit(42);
}

}  // namespace

int main(int, char** arguments) {
  const std::string what = arguments[1];
  if (what == "fiber") {
    auto* const fibers = new hilo::runtime(hilo::test::options());
    fibers->spawn(leave).detach();
  } else if (what == "blocking") {
    auto* const fibers = new hilo::runtime(hilo::test::options());
    fibers->spawn([] { hilo::blocking(leave); }).detach();
  } else if (what == "thread") {
    hilo::thread(leave).detach();
  } else if (what == "after a std::thread") {
    std::thread([] { await_end_of_main(); }).detach();
    hilo::thread([] {
      while (tasks() > 2) hilo::sleep_for(1ms);  // main's and this one
      ::_exit(42);
    }).detach();
  } else if (what == "to the last") {
    std::atexit([] { ::_exit(43); });
    hilo::thread(await_end_of_main).detach();
  } else if (what == "main is the last") {
    std::atexit([] { ::_exit(43); });
    hilo::thread([] {}).join();
  }
  ::pthread_exit(nullptr);
}
