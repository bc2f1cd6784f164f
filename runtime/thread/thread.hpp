// Kernel threads for the layers above: the scheduler's carriers are made here.
//
// The typed form is hilo::thread (hilo/thread.hpp). This is the plain form: a function, an
// argument, and a handle that must be joined or detached once.
#pragma once

#include "hilo/detail/kernel_thread.hpp"
#include "hilo/thread.hpp"

namespace hilo::kernel {

using thread_handle = detail::kernel_thread*;

// Runs function(argument) on a new kernel thread. Throws std::system_error.
// An exception that leaves `function` terminates the process.
[[nodiscard]] thread_handle start(const thread_options& options, void (*function)(void*),
                                  void* argument);

inline void join(thread_handle thread) noexcept {
  detail::join_kernel_thread(thread);
}
inline void detach(thread_handle thread) noexcept {
  detail::detach_kernel_thread(thread);
}
inline pid_t id(thread_handle thread) noexcept {
  return detail::kernel_thread_id(thread);
}

}  // namespace hilo::kernel
