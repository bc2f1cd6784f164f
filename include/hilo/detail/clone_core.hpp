// The untyped core under hilo::clone: a request in plain values, and a body of known size.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <system_error>

#include <sys/types.h>

#include "hilo/detail/api.hpp"

namespace hilo {

enum class clone_flags : std::uint64_t;

namespace detail {

struct child_record;

enum class stack_choice : std::uint8_t { automatic, own, given, none };
enum class block_choice : std::uint8_t { automatic, own, given, callers };

struct clone_request {
  clone_flags flags{};
  int exit_signal = -1;  // -1: SIGCHLD, or none where the kernel allows none
  stack_choice stack = stack_choice::automatic;
  block_choice block = block_choice::automatic;
  void* stack_bottom = nullptr;  // given
  std::size_t stack_size = 256 * 1024;
  void* thread_pointer = nullptr;  // given
  std::atomic<std::uint32_t>* parent_tid = nullptr;
  std::atomic<std::uint32_t>* child_tid = nullptr;
  std::atomic<std::uint32_t>* clear_tid = nullptr;
  int cgroup = -1;
  const pid_t* tids = nullptr;
  std::size_t tid_count = 0;
};

// The body that the child runs. With shared memory, a copy of it at the top of the child's stack;
// without, the caller's object, because the child has a copy of the memory anyway.
struct clone_body {
  std::size_t size;
  std::size_t alignment;
  void* context;                                   // the source for construct
  void (*construct)(void* place, void* context);   // in the caller; may throw
  void (*destroy)(void* closure) noexcept;         // in the caller, if there is no child
  int (*run_and_destroy)(void* closure) noexcept;  // in the child
  int (*run_in_place)(void* context) noexcept;     // in a child that has a copy of everything
};

// If no child can be made, throws std::system_error or, with `error`, sets that and returns null.
// Exceptions of construct are always thrown.
HILO_API child_record* start_child(const clone_request& request, const clone_body& body,
                                   std::error_code* error);

// Returns twice: null in the child. Otherwise as start_child.
HILO_API child_record* fork_child(const clone_request& request, std::error_code* error);

}  // namespace detail
}  // namespace hilo
