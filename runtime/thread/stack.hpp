// The stack of a kernel thread: a mapping of its own with a guard below.
//
//     base                                                          base + mapped
//      | guard: faults |                                  <- grows |
#pragma once

#include <cstddef>

#include "hilo/thread.hpp"

namespace hilo::kernel {

// Throws std::system_error EINVAL for a stack or guard size of 0 or beyond reason.
void check_stack_options(const thread_options& options);

class stack {
 public:
  stack() noexcept = default;
  stack(stack&& other) noexcept;
  stack& operator=(stack&& other) noexcept;
  ~stack();

  // Maps one. Throws std::system_error: a size of 0 or beyond reason, no memory.
  static stack map(const thread_options& options);

  // Whether a thread that asked for these options may run here: big enough and not wastefully so.
  [[nodiscard]] bool serves(const thread_options& options) const noexcept;

  // After the end of a thread, whose first frames never returned: the address sanitizer must not
  // find their marks in the next use of this memory.
  void forget_frames() const noexcept;

  [[nodiscard]] explicit operator bool() const noexcept { return base_ != nullptr; }
  [[nodiscard]] unsigned char* bottom() const noexcept { return base_ + guard_; }
  [[nodiscard]] unsigned char* top() const noexcept { return base_ + mapped_; }
  [[nodiscard]] std::size_t size() const noexcept { return mapped_ - guard_; }

 private:
  unsigned char* base_ = nullptr;
  std::size_t mapped_ = 0;
  std::size_t guard_ = 0;
};

}  // namespace hilo::kernel
