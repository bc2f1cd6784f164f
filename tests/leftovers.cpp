#include "tests/leftovers.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <iterator>
#include <thread>
#include <utility>

#include <sys/wait.h>

namespace hilo::test {
namespace {

struct counter {
  const char* what;
  std::size_t (*count)();
};

std::vector<counter>& counters() {
  static std::vector<counter> all;  // filled while test sources are initialised, in any order
  return all;
}

bool excused_ = false;  // only the thread that runs the test cases touches it

std::vector<std::string> list_descriptors() {
  std::vector<std::string> result;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;  // the descriptor of this very iteration shows up as /proc/…/fd
    const std::string target = std::filesystem::read_symlink(entry.path(), gone).string();
    if (gone || target.ends_with("/fd")) continue;
    result.push_back(entry.path().filename().string() + " -> " + target);
  }
  std::sort(result.begin(), result.end());
  return result;
}

bool has_children() {
  siginfo_t child;
  return ::waitid(P_ALL, 0, &child, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0;
}

std::string compare(const stock& before, const stock& now) {
  std::string found;
  if (now.threads > before.threads)
    found += "\n  kernel threads: " + std::to_string(now.threads - before.threads);
  if (now.children && !before.children) found += "\n  a child process that nobody waited for";
  std::vector<std::string> opened;
  std::set_difference(now.descriptors.begin(), now.descriptors.end(), before.descriptors.begin(),
                      before.descriptors.end(), std::back_inserter(opened));
  for (const std::string& descriptor : opened) found += "\n  descriptor " + descriptor;
  for (std::size_t i = 0; i < now.counts.size(); ++i) {
    if (now.counts[i] == before.counts[i]) continue;
    found += std::string("\n  ") + counters()[i].what + ": " + std::to_string(now.counts[i]) +
             ", before it " + std::to_string(before.counts[i]);
  }
  return found;
}

}  // namespace

std::size_t kernel_threads() {
  const std::filesystem::directory_iterator tasks("/proc/self/task");
  return static_cast<std::size_t>(std::distance(begin(tasks), end(tasks)));
}

bool count_leftovers(const char* what, std::size_t (*count)()) {
  counters().push_back({what, count});
  return true;
}

void allow_leftovers(const char* why) {
  std::printf("    leftovers allowed: %s\n", why);
  excused_ = true;
}

bool excused() {
  return std::exchange(excused_, false);
}

stock take_stock() {
  stock now{kernel_threads(), has_children(), list_descriptors(), {}};
  for (const counter& each : counters()) now.counts.push_back(each.count());
  return now;
}

std::string leftovers_since(const stock& before) {
  using namespace std::chrono_literals;
  const auto patience = std::chrono::steady_clock::now() + 2s;
  while (true) {
    const std::string found = compare(before, take_stock());
    if (found.empty() || std::chrono::steady_clock::now() > patience) return found;
    std::this_thread::sleep_for(1ms);
  }
}

}  // namespace hilo::test
