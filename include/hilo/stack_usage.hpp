// How much of its stack a fiber has used so far: helps to choose spawn_options.stack_size.
//
//   auto worker = hilo::spawn({.name = "parser", .paint_stack = true}, parse_all);
//   …
//   const hilo::stack_usage_report deepest = hilo::stack_usage(worker);
//   log("parser: ", deepest.used, " of ", deepest.size, " bytes");
#pragma once

#include <cstddef>

#include "hilo/detail/api.hpp"
#include "hilo/fiber.hpp"

namespace hilo {

struct stack_usage_report {
  // Bytes of the stack: spawn_options.stack_size, rounded up to a power of two. If the caller gave
  // the memory (spawn_options.stack): its size, less a few bytes to align the ends.
  std::size_t size = 0;
  // Bytes used at the deepest point, including the bytes that hilo itself keeps there.
  std::size_t used = 0;
  // If true, `used` is exact to the word, and counts this fiber only. If false, `used` counts whole
  // pages, including pages that an earlier fiber touched on the same stack, so it is never too
  // small.
  bool painted = false;
};

namespace detail {
HILO_API stack_usage_report stack_usage_of(const sched::fiber* one);  // null: the caller
}  // namespace detail

// Looks at the calling fiber's stack.
// Callable from: a fiber. Errors: std::system_error outside of a fiber; also if the stack is not
// painted and /proc is not mounted.
inline stack_usage_report stack_usage() {
  return detail::stack_usage_of(nullptr);
}

// Looks at another fiber's stack. That fiber may be running, or may have ended but not been joined.
// Callable from: anywhere except a signal handler. Errors: as above; an empty handle aborts.
template <class T>
stack_usage_report stack_usage(const fiber<T>& handle) {
  if (!handle.joinable()) detail::empty_handle("stack_usage");
  return detail::stack_usage_of(detail::owner_of(handle));
}

}  // namespace hilo
