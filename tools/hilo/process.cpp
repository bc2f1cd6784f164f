// A live process. It is read by process_vm_readv(2), which needs no cooperation and stops nothing.
#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <unordered_set>

#include <elf.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "tools/hilo/failure.hpp"
#include "tools/hilo/registers.hpp"
#include "tools/hilo/target.hpp"

namespace hilo::command {
namespace {

class process_memory final : public memory {
 public:
  explicit process_memory(int number) noexcept : number_(number) {}

  using memory::read;
  void read(std::span<piece> pieces) override {
    while (!pieces.empty()) {
      const std::size_t done = read_some(pieces);
      // The piece that was reached cannot be read, so the next call begins behind it.
      pieces = pieces.subspan(std::min(done + 1, pieces.size()));
    }
  }

  bool write(address into, const void* from, std::size_t bytes) override {
    const iovec here{const_cast<void*>(from), bytes};
    const iovec there{reinterpret_cast<void*>(into), bytes};
    return ::process_vm_writev(number_, &here, 1, &there, 1, 0) == static_cast<ssize_t>(bytes);
  }

  // Errno of the last call that failed.
  int error() const noexcept { return error_; }

 private:
  // Reads pieces up to the first that fails, and returns their number.
  std::size_t read_some(std::span<piece> pieces) {
    std::size_t done = 0;
    while (done < pieces.size()) {
      std::array<iovec, most> here;
      std::array<iovec, most> there;
      const std::size_t count = std::min(most, pieces.size() - done);
      for (std::size_t i = 0; i < count; ++i) {
        const piece& one = pieces[done + i];
        here[i] = {one.into, one.bytes};
        there[i] = {reinterpret_cast<void*>(one.from), one.bytes};
      }
      ssize_t got = ::process_vm_readv(number_, here.data(), count, there.data(), count, 0);
      if (got < 0) error_ = errno;
      for (std::size_t i = 0; i < count; ++i) {
        piece& one = pieces[done];
        if (got < static_cast<ssize_t>(one.bytes)) return done;
        got -= static_cast<ssize_t>(one.bytes);
        one.there = true;
        ++done;
      }
    }
    return done;
  }

  static constexpr std::size_t most = 512;  // IOV_MAX is 1024
  const int number_;
  int error_ = 0;
};

const Dwfl_Callbacks process_callbacks = {.find_elf = dwfl_linux_proc_find_elf,
                                          .find_debuginfo = dwfl_standard_find_debuginfo,
                                          .section_address = nullptr,
                                          .debuginfo_path = nullptr};

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// Of a line of /proc/PID/task/TID/stat, from its third field on (proc(5)): utime and stime are the
// 14th and 15th.
std::int64_t cpu_time(const std::string& fields) {
  std::istringstream from(fields);
  std::string skipped;
  for (int field = 3; field < 14; ++field) from >> skipped;
  std::int64_t user = 0;
  std::int64_t kernel = 0;
  if (!(from >> user >> kernel)) return 0;
  return (user + kernel) * (1'000'000'000 / ::sysconf(_SC_CLK_TCK));
}

class process final : public target {
 public:
  explicit process(int number) : number_(number), memory_(number) {
    name_ = "process " + std::to_string(number);
    if (::kill(number, 0) != 0 && errno == ESRCH) {
      throw failure(exit_code::unreadable, "there is no " + name_);
    }
    std::error_code error;
    program_ = std::filesystem::read_symlink(path("exe"), error).string();
    check_access();
    modules_.reset(dwfl_begin(&process_callbacks));
    if (modules_ == nullptr || dwfl_linux_proc_report(modules(), number) != 0 ||
        dwfl_report_end(modules(), nullptr, nullptr) != 0) {
      throw failure(exit_code::unreadable,
                    "cannot list the modules of " + name_ + ": " + dwfl_errmsg(-1));
    }
  }
  ~process() override { resume(); }

  memory& bytes() noexcept override { return memory_; }

  std::vector<kernel_thread> threads() override {
    std::vector<kernel_thread> all;
    for (const int thread : thread_numbers()) {
      kernel_thread one;
      one.number = thread;
      const std::string folder = path("task/" + std::to_string(thread));
      one.name = first_line(folder + "/comm");
      // The state follows the name in parentheses, which may itself contain parentheses.
      const std::string status = first_line(folder + "/stat");
      const std::size_t end = status.rfind(')');
      if (end != std::string::npos && end + 2 < status.size()) {
        one.state = status[end + 2];
        one.cpu_ns = cpu_time(status.substr(end + 2));
      }
      all.push_back(one);
    }
    return all;
  }

  std::optional<registers> registers_of(int thread) override {
    if (!stopped_.contains(thread)) return std::nullopt;
    std::array<std::byte, 512> kernels;
    iovec into{kernels.data(), kernels.size()};
    if (::ptrace(PTRACE_GETREGSET, thread, NT_PRSTATUS, &into) != 0) return std::nullopt;
    return registers_of_thread(std::span(kernels).first(into.iov_len));
  }

  bool still() override {
    if (!stopped_.empty()) return true;
    const std::vector<kernel_thread> all = threads();
    return !all.empty() && std::all_of(all.begin(), all.end(), [](const kernel_thread& one) {
      return one.state == 'T' || one.state == 't' || one.state == 'Z';
    });
  }

  // An address that cannot be read says nothing: its mapping may have gone meanwhile.
  bool gone() override {
    char byte = 0;
    return !memory_.read(first_, &byte, sizeof byte) && memory_.error() != EFAULT;
  }

  std::optional<std::int64_t> now() override {
    timespec time{};
    ::clock_gettime(CLOCK_MONOTONIC, &time);
    return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
  }

  void pause() override {
    // A thread that is not stopped yet may start another, so we look until there is no new one.
    for (bool found = true; found;) {
      found = false;
      for (const int thread : thread_numbers()) {
        if (!stopped_.contains(thread) && stop(thread)) found = true;
      }
    }
    if (stopped_.empty()) {
      throw failure(exit_code::unreadable, "cannot stop " + name_ + ": " + std::strerror(errno) +
                                               "; is a debugger attached to it?");
    }
  }

  void resume() noexcept override {
    for (const int thread : stopped_) ::ptrace(PTRACE_DETACH, thread, nullptr, nullptr);
    stopped_.clear();
  }

 private:
  std::string path(const std::string& file) const {
    return "/proc/" + std::to_string(number_) + "/" + file;
  }

  std::vector<int> thread_numbers() const {
    std::vector<int> all;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(path("task"), error)) {
      all.push_back(std::atoi(entry.path().filename().c_str()));
    }
    std::sort(all.begin(), all.end());
    return all;
  }

  // PTRACE_SEIZE and PTRACE_INTERRUPT send no signal. If this command ends, the kernel detaches the
  // threads, and they go on.
  bool stop(int thread) {
    if (::ptrace(PTRACE_SEIZE, thread, nullptr, nullptr) != 0) return false;
    if (::ptrace(PTRACE_INTERRUPT, thread, nullptr, nullptr) != 0) return false;
    int status = 0;
    while (::waitpid(thread, &status, __WALL) < 0) {
      if (errno != EINTR) return false;
    }
    if (!WIFSTOPPED(status)) return false;
    stopped_.insert(thread);
    return true;
  }

  void check_access() {
    errno = 0;
    std::ifstream maps(path("maps"));
    std::string line;
    // Each line is "first-last rwxp …" (proc(5)).
    while (std::getline(maps, line) && line.find(" r") == line.npos) continue;
    int error = errno;
    if (maps) {
      first_ = std::strtoull(line.c_str(), nullptr, 16);
      if (!gone()) return;
      error = memory_.error();
    } else if (maps.is_open() && maps.eof()) {
      throw failure(exit_code::unreadable,
                    name_ + " has no memory: it has ended, or it is a thread of the kernel");
    }
    if (error == ENOSYS) {
      throw failure(exit_code::unreadable, "this kernel has no process_vm_readv(2)");
    }
    if (error != EPERM && error != EACCES) {
      throw failure(exit_code::unreadable, "cannot read " + name_ + ": " + std::strerror(error));
    }
    throw failure(exit_code::unreadable,
                  "no permission to read " + name_ +
                      ": run this command as the same user or as root, and see "
                      "/proc/sys/kernel/yama/ptrace_scope");
  }

  const int number_;
  process_memory memory_;
  address first_ = 0;  // of its memory
  std::unordered_set<int> stopped_;
};

}  // namespace

std::unique_ptr<target> open_process(int number) {
  return std::make_unique<process>(number);
}

}  // namespace hilo::command
