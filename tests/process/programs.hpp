// Runs the small programs of this folder, which are children of the test: linked dynamically and
// statically, by both ways to make threads, by both drivers, with several numbers of carriers.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/death.hpp"
#include "tests/doctest.hpp"
#include "tests/emulator.hpp"

namespace hilo::test {

// How a program is run. The program itself reads CARRIERS.
struct way {
  const char* carriers = "2";
  const char* driver = "";   // HILO_IO; empty: the ring where the kernel lets us
  const char* threads = "";  // HILO_THREADS; empty: as found
};

inline constexpr way all_ways[] = {
    {"1", "", ""}, {"2", "", ""}, {"4", "epoll", ""}, {"1", "epoll", ""}, {"2", "", "pthread"},
};

// The programs stand beside the test program's folder; see meson.build.
inline std::filesystem::path program_path(const std::string& name) {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path() / "process" / name;
}

inline child_end run_program(const std::string& path, const std::vector<std::string>& arguments,
                             const way& how) {
  return run_in_child(
      [&] {
        ::setenv("CARRIERS", how.carriers, 1);
        ::setenv("HILO_IO", how.driver, 1);
        ::setenv("HILO_THREADS", how.threads, 1);
        execute(path, arguments);
      },
      30);
}

// body(end) for each link that this build has, and for each way.
template <class F>
void run_each_way(const std::string& name, const std::vector<std::string>& arguments, F&& body) {
  for (const char* link : {"", "_static"}) {
    const std::string program = name + link;
    if (!std::filesystem::exists(program_path(program))) continue;
    for (const way& how : all_ways) {
      std::string command = program;
      for (const std::string& argument : arguments) command += " \"" + argument + "\"";
      command += std::string(", CARRIERS=") + how.carriers + " HILO_IO=" + how.driver +
                 " HILO_THREADS=" + how.threads;
      CAPTURE(command);
      const child_end end = run_program(program_path(program), arguments, how);
      CAPTURE(end.describe());
      body(end);
    }
  }
}

// The program exits with `status`, and says nothing if that is as it should be.
inline void check_exits(const std::string& name, const std::vector<std::string>& arguments,
                        int status) {
  run_each_way(name, arguments, [&](const child_end& end) {
    CHECK(end.exited);
    CHECK(end.code == status);
    CHECK(end.output.empty());
  });
}

}  // namespace hilo::test
