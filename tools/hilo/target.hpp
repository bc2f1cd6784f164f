// What the command looks at: a process or a core, with its memory, its modules and its kernel
// threads.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <elfutils/libdwfl.h>

#include "tools/hilo/memory.hpp"

namespace hilo::command {

struct kernel_thread {
  int number = 0;
  std::string name;         // empty if it is not known
  char state = '?';         // as in proc(5)
  std::int64_t cpu_ns = 0;  // that it has used; 0 if it is not known
};

// The registers with which unwinding begins, by their DWARF numbers.
struct registers {
  static constexpr std::size_t most = 33;
  std::array<std::uint64_t, most> value{};
  std::array<bool, most> known{};
  address pc = 0;
  address sp = 0;
  bool at_call = false;  // pc is a return address

  void set(std::size_t number, std::uint64_t to) noexcept {
    value[number] = to;
    known[number] = true;
  }
};

class target {
 public:
  virtual ~target() = default;
  target(const target&) = delete;
  target& operator=(const target&) = delete;

  virtual memory& bytes() noexcept = 0;
  // "process 123" or "core FILE".
  const std::string& name() const noexcept { return name_; }
  const std::string& program() const noexcept { return program_; }
  Dwfl* modules() const noexcept { return modules_.get(); }

  virtual std::vector<kernel_thread> threads() = 0;
  // Null if the thread is not known or runs.
  virtual std::optional<registers> registers_of(int thread) = 0;

  // Whether nothing changes while the target is read: a core, or a process that is stopped.
  virtual bool still() = 0;
  // Whether the process has ended meanwhile, or runs another program.
  virtual bool gone() = 0;
  // CLOCK_MONOTONIC of the target in ns, if its clock is known.
  virtual std::optional<std::int64_t> now() = 0;

  // Stop all threads of a process until resume(). They also go on if this command ends in any way.
  // Does nothing with a core.
  virtual void pause() = 0;
  virtual void resume() noexcept = 0;

 protected:
  target() = default;
  struct ending {
    void operator()(Dwfl* one) const noexcept { dwfl_end(one); }
  };
  std::unique_ptr<Dwfl, ending> modules_;
  std::string name_;
  std::string program_;
};

// Throw a failure that says why the target cannot be read.
std::unique_ptr<target> open_process(int number);
std::unique_ptr<target> open_core(const std::string& path);
// A number is a process, and anything else is the path of a core.
std::unique_ptr<target> open_target(const std::string& which);

}  // namespace hilo::command
