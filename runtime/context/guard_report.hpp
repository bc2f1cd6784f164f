// Stack overflow, told as such. A fiber that hits its guard gets SIGSEGV; the handler, on the
// carrier's alternate signal stack, finds the arena and the stack that the address belongs to, and
// says whose it is before the process ends. Every other fault goes on to the handler that was
// installed before, so crash reporters and language runtimes keep theirs.
#pragma once

#include <cstddef>

namespace hilo::context {

class stack_arena;

// Writes what is known of the fiber whose stack ends at `top` into text. Async-signal-safe.
using describe_function = void (*)(char* top, char* text, std::size_t room) noexcept;

// The layer that lays fibers out on stacks says how to name one.
void describe_stacks_with(describe_function describe) noexcept;

// Puts an arena under the handler's eyes; the first one installs it. unwatch() takes it away.
void watch_guards(const stack_arena& arena);
void unwatch_guards(const stack_arena& arena) noexcept;

// Gives the calling kernel thread an alternate signal stack, unless it has one, for the lifetime of
// the object. Without it a fault on a full stack has nowhere to be handled.
class alternate_stack {
 public:
  alternate_stack();
  ~alternate_stack();
  alternate_stack(const alternate_stack&) = delete;
  alternate_stack& operator=(const alternate_stack&) = delete;

 private:
  void* memory_ = nullptr;
};

}  // namespace hilo::context
