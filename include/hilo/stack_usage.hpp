// How much of its stack a fiber has ever used: to choose spawn_options.stack_size.
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
  // Bytes the stack has: spawn_options.stack_size, rounded up to a power of two. Of memory of the
  // caller's (spawn_options.stack): its bytes, less a few to align the ends.
  std::size_t size = 0;
  // Bytes used at the deepest, what hilo itself keeps there included.
  std::size_t used = 0;
  // Painted: `used` is to the word, and this fiber's alone. Otherwise it is whole pages, and those
  // that an earlier fiber touched on the same stack count too, so it is never too small.
  bool painted = false;
};

namespace detail {
HILO_API stack_usage_report stack_usage_of(const sched::fiber* one);  // null: the caller
}  // namespace detail

// Looks at the calling fiber's stack.
// Callable from: a fiber. Errors: std::system_error outside of one, and for a stack that is not
// painted where /proc is not mounted.
inline stack_usage_report stack_usage() {
  return detail::stack_usage_of(nullptr);
}

// Looks at another's, which may be running, or have ended and not yet be joined.
// Callable from: anywhere but a signal handler. Errors: as above; an empty handle aborts.
template <class T>
stack_usage_report stack_usage(const fiber<T>& handle) {
  if (!handle.joinable()) detail::empty_handle("stack_usage");
  return detail::stack_usage_of(detail::owner_of(handle));
}

}  // namespace hilo
