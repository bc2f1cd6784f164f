// The stack of a kernel thread: its own mapping, with a guard below.
//
//     base                                                          base + mapped
//      | guard: faults |                                  <- grows |
#pragma once

#include <cstddef>

#include "hilo/thread.hpp"

namespace hilo::kernel {

// Throws std::system_error EINVAL if a stack or guard size is 0 or unreasonably large.
void check_stack_options(const thread_options& options);

// The address sanitizer must not find the marks of frames that lay here earlier, and whose thread
// never returned from them, in the next use of this memory.
void forget_frames(const void* low, std::size_t bytes) noexcept;

class stack {
 public:
  stack() noexcept = default;
  stack(stack&& other) noexcept;
  stack& operator=(stack&& other) noexcept;
  ~stack();

  // Maps a stack. Throws std::system_error: a size of 0 or unreasonably large, no memory.
  static stack map(const thread_options& options);

  // Whether a thread with these options may run here: big enough, and not wastefully big.
  [[nodiscard]] bool serves(const thread_options& options) const noexcept;

  // Called after the end of a thread, whose first frames never returned.
  void forget_frames() const noexcept { kernel::forget_frames(bottom(), size()); }

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
