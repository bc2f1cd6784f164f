#include "hilo/signal_set.hpp"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#include <dirent.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "runtime/base/error.hpp"
#include "runtime/sys/syscall.hpp"

namespace hilo::io {
namespace {

using bits = std::uint64_t;  // bit n - 1: signal n, as the kernel counts them

constexpr int last_signal = 64;

bits bit_of(int number) noexcept {
  return bits{1} << (number - 1);
}

const char* why_not(int number) noexcept {
  switch (number) {
    case SIGKILL:
    case SIGSTOP:
      return "the kernel lets no program block it";
    case SIGSEGV:
    case SIGBUS:
    case SIGFPE:
    case SIGILL:
    case SIGTRAP:
    case SIGSYS:
      return "the CPU raises it for a fault of the program, which ends it if it is blocked";
    default:
      break;
  }
  if (number < 1 || number > last_signal) return "there is no such signal";
  // SIGRTMIN of glibc and musl is above the signals that they use themselves.
  if (number >= 32 && number < SIGRTMIN) return "the libc needs it for itself";
  return nullptr;
}

bits checked(std::span<const int> numbers) {
  bits all = 0;
  for (const int number : numbers) {
    if (const char* const why = why_not(number)) {
      base::fail(EINVAL, "receive signal " + std::to_string(number), why);
    }
    all |= bit_of(number);
  }
  if (all == 0) base::fail(EINVAL, "receive signals", "none was named");
  return all;
}

sigset_t as_set(bits all) noexcept {
  sigset_t set;
  ::sigemptyset(&set);
  for (int number = 1; number <= last_signal; ++number) {
    if ((all & bit_of(number)) != 0) ::sigaddset(&set, number);
  }
  return set;
}

struct mask {
  std::string name;  // the name of the thread
  bits blocked = ~bits{0};
};

[[noreturn]] void fail_to_look(int error) {
  base::fail(error, "receive signals", "/proc is needed, to see that all threads block them");
}

// Reads from /proc what a thread blocks. If the thread has ended meanwhile, it counts as blocking
// all. The caller has not ended: if its file is absent, no thread can be checked.
mask mask_of(const std::string& thread, const std::string& caller) {
  mask found;
  struct closer {
    void operator()(std::FILE* file) const noexcept { std::fclose(file); }
  };
  const std::unique_ptr<std::FILE, closer> file(
      std::fopen(("/proc/self/task/" + thread + "/status").c_str(), "re"));
  if (file == nullptr) {
    if ((errno != ENOENT && errno != ESRCH) || thread == caller) fail_to_look(errno);
    return found;
  }
  std::array<char, 256> line{};
  while (std::fgets(line.data(), line.size(), file.get()) != nullptr) {
    const std::string text = line.data();
    if (text.starts_with("Name:\t")) found.name = text.substr(6, text.find('\n') - 6);
    if (text.starts_with("SigBlk:\t")) found.blocked = std::strtoull(line.data() + 8, nullptr, 16);
  }
  return found;
}

void check_threads(bits wanted, const std::string& caller) {
  struct closer {
    void operator()(DIR* all) const noexcept { ::closedir(all); }
  };
  const std::unique_ptr<DIR, closer> all(::opendir("/proc/self/task"));
  if (all == nullptr) fail_to_look(errno);
  while (const dirent* const entry = ::readdir(all.get())) {
    const std::string thread = entry->d_name;
    if (thread.starts_with('.')) continue;
    const mask its = mask_of(thread, caller);
    const bits missing = wanted & ~its.blocked;
    if (missing == 0) continue;
    int number = 1;
    while ((missing & bit_of(number)) == 0) ++number;
    base::fail(EBUSY, "receive signal " + std::to_string(number),
               "thread " + thread + " (" + its.name +
                   ") does not block it, and would take it; make the signal_set before other "
                   "threads, and before hilo::run");
  }
}

}  // namespace

signal_set::signal_set(std::span<const int> numbers)
    : added_(as_set(0)), thread_(static_cast<pid_t>(sys::call(SYS_gettid))) {
  const bits wanted = checked(numbers);
  const sigset_t set = as_set(wanted);
  sigset_t before;
  ::pthread_sigmask(SIG_BLOCK, &set, &before);
  bits added = 0;
  for (int number = 1; number <= last_signal; ++number) {
    if ((wanted & bit_of(number)) != 0 && ::sigismember(&before, number) == 0) {
      added |= bit_of(number);
    }
  }
  added_ = as_set(added);
  try {
    check_threads(wanted, std::to_string(thread_));
    const long fd =
        sys::call(SYS_signalfd4, -1, &wanted, sizeof wanted, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0) {
      base::fail(static_cast<int>(-fd), "receive signals",
                 "no descriptor is left: see ulimit -n and fs.file-max");
    }
    descriptor_ = descriptor(static_cast<int>(fd));
  } catch (...) {
    ::pthread_sigmask(SIG_UNBLOCK, &added_, nullptr);
    throw;
  }
}

signal_set::~signal_set() {
  (void)descriptor_.close();
  if (thread_ == sys::call(SYS_gettid)) ::pthread_sigmask(SIG_UNBLOCK, &added_, nullptr);
}

result<signal_info> signal_set::receive(until when) noexcept {
  signalfd_siginfo got{};
  const result<std::size_t> size = read(fd(), &got, sizeof got, when);
  if (!size) return {size.status(), size.error().value()};
  signal_info info;
  info.number = static_cast<int>(got.ssi_signo);
  info.code = got.ssi_code;
  info.sender = static_cast<pid_t>(got.ssi_pid);
  info.user = got.ssi_uid;
  info.value = static_cast<std::int64_t>(got.ssi_ptr);
  return info;
}

}  // namespace hilo::io
