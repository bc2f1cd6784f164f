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

struct kernel_thread;  // one running thread; each backend has its own

// A closure that the core gives a place. On the clone backend that place is the top of the new
// thread's own stack: no allocation, and nothing that one thread allocates and another frees.
struct thread_body {
  std::size_t size;
  std::size_t alignment;
  void* context;                                    // what construct builds from
  void (*construct)(void* place, void* context);    // in the starting thread; may throw
  void (*destroy)(void* closure) noexcept;          // in the starting thread, when it has no thread
  void (*run_and_destroy)(void* closure) noexcept;  // in the new thread
};

// Throws std::system_error when there can be no thread, and whatever construct throws. With
// `error`, sets that and returns null instead of the former.
[[nodiscard]] HILO_API kernel_thread* start_kernel_thread(const thread_options& options,
                                                          const thread_body& body,
                                                          std::error_code* error = nullptr);

// Waits until the thread is gone from the kernel, a fiber by parking; its handle is dead
// afterwards.
HILO_API void join_kernel_thread(kernel_thread* thread) noexcept;
// The same for a destructor: a thread of the parent does not run in the child of a fork, and one
// that called exit(3) does not wait for itself.
HILO_API void end_kernel_thread(kernel_thread* thread) noexcept;

// The same with a deadline: false when it passed, and the handle stays good.
[[nodiscard]] HILO_API bool join_kernel_thread_until(
    kernel_thread* thread, std::chrono::steady_clock::time_point deadline) noexcept;

// Lets the thread go on alone; its handle is dead afterwards.
HILO_API void detach_kernel_thread(kernel_thread* thread) noexcept;

HILO_API pid_t kernel_thread_id(const kernel_thread* thread) noexcept;

}  // namespace detail
}  // namespace hilo
