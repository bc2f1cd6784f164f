// What the other threads of the process do just now.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

#include <sys/syscall.h>
#include <unistd.h>

namespace hilo::test {

// Whether all other threads sleep in the kernel. If nothing wakes them, they hold no lock then, and
// open no descriptor.
inline bool others_sleep() {
  const std::string self = std::to_string(::syscall(SYS_gettid));
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    if (task.path().filename() == self) continue;
    std::ifstream file(task.path() / "stat");
    std::string line;
    std::getline(file, line);
    const std::size_t name_end = line.rfind(')');
    if (name_end == std::string::npos) continue;  // it has ended
    if (line.compare(name_end, 3, ") S") != 0) return false;
  }
  return true;
}

}  // namespace hilo::test
