// The untyped core under hilo::thread: start, join and detach of a kernel thread whose body is a
// closure of known size.
#pragma once

#include <chrono>
#include <cstddef>
#include <system_error>

#include <sys/types.h>

#include "hilo/detail/api.hpp"

namespace hilo {

struct thread_options;

namespace detail {

struct kernel_thread;  // a running thread; each backend defines its own

// A closure; the core provides the memory. On the clone backend that is the top of the new thread's
// own stack: so there is no allocation, and no memory that one thread allocates and another frees.
struct thread_body {
  std::size_t size;
  std::size_t alignment;
  void* context;                                    // the source for construct
  void (*construct)(void* place, void* context);    // in the starting thread; may throw
  void (*destroy)(void* closure) noexcept;          // in the starting thread, if no thread was made
  void (*run_and_destroy)(void* closure) noexcept;  // in the new thread
};

// If no thread can be made, throws std::system_error or, with `error`, sets that and returns null.
// Exceptions of construct are always thrown.
[[nodiscard]] HILO_API kernel_thread* start_kernel_thread(const thread_options& options,
                                                          const thread_body& body,
                                                          std::error_code* error = nullptr);

// Waits until the thread is gone from the kernel; a fiber parks. The handle is invalid afterwards.
HILO_API void join_kernel_thread(kernel_thread* thread) noexcept;
// The same for a destructor. In the child of a fork it does not wait, because a thread of the
// parent does not run there. A thread that called exit(3) does not wait for itself.
HILO_API void end_kernel_thread(kernel_thread* thread) noexcept;

// The same with a deadline: false if it passed; the handle then stays valid.
[[nodiscard]] HILO_API bool join_kernel_thread_until(
    kernel_thread* thread, std::chrono::steady_clock::time_point deadline) noexcept;

// Lets the thread run on without a handle; the handle is invalid afterwards.
HILO_API void detach_kernel_thread(kernel_thread* thread) noexcept;

HILO_API pid_t kernel_thread_id(const kernel_thread* thread) noexcept;

}  // namespace detail
}  // namespace hilo
