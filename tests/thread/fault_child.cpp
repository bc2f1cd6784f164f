// What fault_test.cpp traces: one start and join between two marks, then three more, then what is
// left of them. The marks are system calls that fail and that nobody else makes.
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <fstream>
#include <string>

#include <malloc.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hilo/kernel/event.hpp"
#include "hilo/thread.hpp"

#include "tests/thread/fault_marks.hpp"

namespace {

std::string outcome_of(const hilo::thread_options& options) {
  try {
    int ran = 0;
    hilo::thread(options, [&] { ran = 1; }).join();
    return ran == 1 ? "ran" : "did not run";
  } catch (const std::exception& error) {
    return error.what();
  }
}

int mappings() {
  std::ifstream maps("/proc/self/maps");
  int lines = 0;
  for (std::string line; std::getline(maps, line);) ++lines;
  return lines;
}

int entries(const char* directory) {
  int count = 0;
  for ([[maybe_unused]] const auto& each : std::filesystem::directory_iterator(directory)) {
    ++count;
  }
  return count;
}

}  // namespace

int main(int, char** arguments) {
  ::alarm(100);
#ifdef __GLIBC__
  ::mallopt(M_ARENA_MAX, 1);  // another arena of malloc would look like a stack that is left
#endif
  const std::string scenario = arguments[1];
  hilo::kernel::event over;
  hilo::thread_options options{.name = "traced"};
  hilo::thread other;
  if (scenario != "first") {
    other = hilo::thread([&] { over.wait(); });  // decides the backend, and takes the first block
    if (scenario != "new block") {
      over.set();
      other.join();
    }
  }
  if (scenario == "new stack") options.stack_size = 64 << 20;
  if (scenario == "placed") {
    options.nice = 1;
    options.cpus = hilo::this_thread::cpus();
    options.scheduling = hilo::scheduling_class::batch;
  }
  (void)mappings();  // what the streams allocate is there before
  const int threads = entries("/proc/self/task");

  ::syscall(SYS_getpriority, fault_begin, 0);
  const std::string outcome = outcome_of(options);
  ::syscall(SYS_getpriority, fault_end, 0);
  std::printf("outcome: %s\n", outcome.c_str());
  // A thread whose start failed may still be on its way out, and its stack is in use until then.
  while (entries("/proc/self/task") > threads) ::usleep(1000);
  for (int i = 0; i < 3; ++i) {
    const std::string again = outcome_of(options);
    if (again != "ran") std::printf("again: %s\n", again.c_str());
  }
  std::printf("left: %d %d\n", mappings(), entries("/proc/self/fd"));
  over.set();
  return 0;
}
