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

// The CPUs that a cgroup may use. The file says "<quota> <period>"; a quota of "max" or -1 means no
// limit. Version 2 has both numbers in cpu.max, version 1 has a file for each (cgroups(7),
// sched-bwc in the kernel's documentation).
unsigned group_cpus(const std::string& folder, bool version_2, unsigned at_most) {
  const auto read = [&](const char* name, long& first, long& second) {
    std::FILE* const file = std::fopen((folder + name).c_str(), "re");
    if (file == nullptr) return 0;
    const int found = std::fscanf(file, "%ld %ld", &first, &second);
    std::fclose(file);
    return found;
  };
  long quota = 0;
  long period = 0;
  if (version_2) {
    if (read("/cpu.max", quota, period) != 2) return at_most;
  } else {
    long none = 0;
    if (read("/cpu.cfs_quota_us", quota, none) < 1) return at_most;
    if (read("/cpu.cfs_period_us", period, none) < 1) return at_most;
  }
  if (quota <= 0 || period <= 0) return at_most;
  return std::min(at_most, static_cast<unsigned>((quota + period - 1) / period));
}

bool names_cpu(const std::string& controllers) {
  return ("," + controllers + ",").find(",cpu,") != std::string::npos;
}

// /proc/self/cgroup has a line for each hierarchy: its number, its controllers, and our group in
// it. The line of version 2 names no controllers. The limits of a group's ancestors hold too, so
// the walk goes up. In a container often only the mount's root is visible.
unsigned cgroup_cpus(unsigned at_most) {
  std::FILE* const file = std::fopen("/proc/self/cgroup", "re");
  if (file == nullptr) return at_most;
  char line[4096];
  while (std::fgets(line, sizeof line, file) != nullptr) {
    const std::string text(line, std::strcspn(line, "\n"));
    const std::size_t first = text.find(':');
    const std::size_t second = first == std::string::npos ? first : text.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = text.substr(first + 1, second - first - 1);
    if (!controllers.empty() && !names_cpu(controllers)) continue;
    const std::string mount = "/sys/fs/cgroup" + (controllers.empty() ? "" : "/" + controllers);
    for (std::string group = text.substr(second + 1);; group.erase(group.rfind('/'))) {
      at_most = group_cpus(mount + (group == "/" ? "" : group), controllers.empty(), at_most);
      if (group.find('/') == std::string::npos) break;
    }
  }
  std::fclose(file);
  return at_most;
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
