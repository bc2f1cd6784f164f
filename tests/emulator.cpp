#include "tests/emulator.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <sstream>
#include <system_error>

#include <linux/futex.h>
#include <sys/resource.h>
#include <unistd.h>

#include "hilo/clone.hpp"

#include "runtime/sys/syscall.hpp"

namespace hilo::test {
namespace {

const char* wrapper() {
  return std::getenv("MESON_EXE_WRAPPER");
}

}  // namespace

void execute(const std::string& program, const std::vector<std::string>& arguments) {
  std::vector<std::string> words;
  if (wrapper() != nullptr) {
    std::istringstream split(wrapper());
    for (std::string word; split >> word;) words.push_back(word);
  }
  words.push_back(program);
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  ::execvp(pointers.front(), pointers.data());
}

int repetitions(int usual) {
  const char* wish = std::getenv("HILO_TEST_DIVISOR");
  return std::max(usual / std::max(wish == nullptr ? 1 : std::atoi(wish), 1), 1);
}

std::string missing_robust_lists() {
  if (wrapper() == nullptr) return "";
  robust_list_head* head = nullptr;
  std::size_t length = 0;
  if (sys::call(SYS_get_robust_list, 0, &head, &length) != -ENOSYS) return "";
  return "the emulator has no robust lists (get_robust_list: ENOSYS)";
}

std::string missing_memory_limits() {
  if (wrapper() == nullptr) return "";
  rlimit before{};
  ::getrlimit(RLIMIT_AS, &before);
  rlimit wanted = before;
  wanted.rlim_cur = rlim_t{1} << 40;
  ::setrlimit(RLIMIT_AS, &wanted);
  rlimit set{};
  ::getrlimit(RLIMIT_AS, &set);
  ::setrlimit(RLIMIT_AS, &before);
  if (set.rlim_cur == wanted.rlim_cur) return "";
  return "the emulator takes limits on memory and does not keep them (RLIMIT_AS)";
}

std::string missing_memory_figures() {
  if (wrapper() == nullptr) return "";
  return "what /proc says of memory is the emulator's, and not the program's";
}

std::string missing_clone_flags() {
  if (wrapper() == nullptr) return "";
  try {
    (void)clone<share::filesystem>().start([] {}).wait();
    return "";
  } catch (const std::system_error& error) {
    if (error.code() != std::errc::invalid_argument) throw;
    return "the emulator's clone makes forks and pthreads and nothing between (EINVAL)";
  }
}

std::string missing_fork_beside_threads() {
  if (wrapper() == nullptr) return "";
  return "the emulator fails its own assertions in a fork beside threads that start";
}

std::string missing_signals_at_start() {
  if (wrapper() == nullptr) return "";
  return "the emulator loses a signal that comes to a thread while it starts";
}

std::string missing_signal_masks() {
  if (wrapper() == nullptr) return "";
  return "the signal masks in /proc are the emulator's, and not the program's";
}

}  // namespace hilo::test
