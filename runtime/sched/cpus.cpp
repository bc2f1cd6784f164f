// How many carriers make sense: the CPUs this process may use.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

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

// What a file of the kernel's says, as far as it fits; empty if it cannot be read.
std::string read_file(const std::string& path) {
  std::string text(4096, '\0');
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return {};
  const ssize_t got = ::read(file, text.data(), text.size());
  ::close(file);
  text.resize(static_cast<std::size_t>(std::max(got, ssize_t{0})));
  return text;
}

// The CPUs that a cgroup may use. The file says "<quota> <period>"; a quota of "max" or -1 means no
// limit. Version 2 has both numbers in cpu.max, version 1 has a file for each (cgroups(7),
// sched-bwc in the kernel's documentation).
unsigned group_cpus(const std::string& folder, bool version_2, unsigned at_most) {
  const std::string said = read_file(folder + (version_2 ? "/cpu.max" : "/cpu.cfs_quota_us"));
  char* rest = nullptr;
  const long quota = std::strtol(said.c_str(), &rest, 10);
  if (quota <= 0) return at_most;
  const long period =
      std::strtol(version_2 ? rest : read_file(folder + "/cpu.cfs_period_us").c_str(), nullptr, 10);
  if (period <= 0) return at_most;
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
    std::string group = text.substr(second + 1);
    if (group == "/") group.clear();
    for (;; group.erase(group.rfind('/'))) {
      at_most = group_cpus(mount + group, controllers.empty(), at_most);
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
