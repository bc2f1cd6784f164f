// How many carriers make sense: the CPUs this process may use.

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include <sched.h>

#include "hilo/runtime.hpp"

namespace hilo {
namespace {

unsigned affinity_cpus() {
  // The mask may be longer than cpu_set_t; the kernel says EINVAL until it fits
  // (sched_setaffinity(2)).
  for (std::size_t cpus = 1024; cpus <= 1024 * 64; cpus *= 2) {
    std::vector<unsigned char> mask(CPU_ALLOC_SIZE(cpus));
    auto* set = reinterpret_cast<cpu_set_t*>(mask.data());
    if (::sched_getaffinity(0, mask.size(), set) == 0) {
      return static_cast<unsigned>(CPU_COUNT_S(mask.size(), set));
    }
  }
  return 1;
}

// cpu.max of cgroup v2: "<quota|max> <period>". The path of our group is in /proc/self/cgroup after
// "0::"; limits of its ancestors hold too, so the walk goes up.
unsigned cgroup_cpus(unsigned at_most) {
  char line[4096];
  std::string group;
  if (std::FILE* file = std::fopen("/proc/self/cgroup", "re")) {
    while (std::fgets(line, sizeof line, file) != nullptr) {
      if (std::strncmp(line, "0::", 3) == 0) group.assign(line + 3, std::strcspn(line + 3, "\n"));
    }
    std::fclose(file);
  }
  while (true) {
    const std::string path = "/sys/fs/cgroup" + (group == "/" ? "" : group) + "/cpu.max";
    if (std::FILE* file = std::fopen(path.c_str(), "re")) {
      unsigned long quota = 0;
      unsigned long period = 0;
      if (std::fscanf(file, "%lu %lu", &quota, &period) == 2 && quota != 0 && period != 0) {
        at_most = std::min(at_most, static_cast<unsigned>((quota + period - 1) / period));
      }
      std::fclose(file);
    }
    if (group.empty() || group == "/") return at_most;
    group.erase(group.rfind('/'));
  }
}

}  // namespace

unsigned available_cpus() noexcept {
  try {
    return std::max(1U, cgroup_cpus(std::max(1U, affinity_cpus())));
  } catch (...) {
    return 1;  // no memory for a mask: one carrier will do
  }
}

}  // namespace hilo
