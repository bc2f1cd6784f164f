// How many carriers a runtime has by default.

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

#include <sched.h>
#include <unistd.h>

#include "hilo/runtime.hpp"

#include "tests/death.hpp"
#include "tests/doctest.hpp"
#include "tests/skip.hpp"

using hilo::test::run_in_child;

namespace {

bool write_to(const std::string& path, const std::string& text) {
  std::FILE* const file = std::fopen(path.c_str(), "we");
  if (file == nullptr) return false;
  const bool written = std::fputs(text.c_str(), file) >= 0;
  return std::fclose(file) == 0 && written;
}

// A cgroup that may use one CPU, gone with the object.
struct group_of_one {
  group_of_one() {
    const std::string name = "/hilo_test_" + std::to_string(::getpid());
    for (const char* mount : {"/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct"}) {
      if (!std::filesystem::exists(std::string(mount) + "/cpu.cfs_quota_us")) continue;
      if (make(mount + name)) {
        usable = write_to(folder + "/cpu.cfs_period_us", "100000") &&
                 write_to(folder + "/cpu.cfs_quota_us", "100000");
        return;
      }
    }
    if (std::filesystem::exists("/sys/fs/cgroup/cgroup.controllers")) {
      usable = make("/sys/fs/cgroup" + name) && write_to(folder + "/cpu.max", "100000 100000");
    }
  }
  ~group_of_one() {
    if (!folder.empty()) ::rmdir(folder.c_str());
  }
  bool make(const std::string& path) {
    std::error_code error;
    if (!std::filesystem::create_directory(path, error)) return false;
    folder = path;
    return true;
  }
  std::string folder;
  bool usable = false;
};

}  // namespace

TEST_CASE("available_cpus: no more than the affinity mask allows, and at least one") {
  CHECK(hilo::available_cpus() >= 1);
  const auto end = run_in_child([] {
    cpu_set_t one;
    if (::sched_getaffinity(0, sizeof one, &one) != 0) std::_Exit(3);
    int first = 0;
    while (!CPU_ISSET(first, &one)) ++first;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    if (::sched_setaffinity(0, sizeof one, &one) != 0) std::_Exit(4);
    if (hilo::available_cpus() != 1) std::_Exit(5);
    std::_Exit(hilo::runtime().carriers() == 1 ? 0 : 6);
  });
  CAPTURE(end.describe());
  CHECK((end.exited && end.code == 0));
}

TEST_CASE("runtime: has no more carriers by default than its cgroup may use CPUs") {
  if (hilo::available_cpus() < 2) HILO_SKIP("needs two CPUs");
  const group_of_one group;
  if (!group.usable) HILO_SKIP("no cgroup with a quota can be made here");
  const auto end = run_in_child([&] {
    if (!write_to(group.folder + "/cgroup.procs", std::to_string(::getpid()))) std::_Exit(3);
    std::_Exit(hilo::available_cpus() == 1 ? 0 : 4);
  });
  CAPTURE(end.describe());
  CHECK((end.exited && end.code == 0));
}
