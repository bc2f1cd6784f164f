// Reports of a fiber that ends the process by a fault: a stack overflow, or a crash.
//
// A fiber that hits its guard gets SIGSEGV. The
// handler runs on the carrier's alternate signal stack. It finds the arena and the stack that the
// address belongs to, and names the fiber before the process ends. Every other fault goes on to the
// handler that was installed before, so crash reporters and language runtimes keep theirs. If there
// was none, the report names the fiber that crashed and shows its backtrace (crash_report.hpp).
// Then the fault takes its default action, so a core is written.
#pragma once

#include <cstddef>

namespace hilo::context {

class stack_arena;

// Writes what is known about the fiber whose stack ends at `top` into text. Async-signal-safe.
using describe_function = void (*)(char* top, char* text, std::size_t room) noexcept;

// Sets the function that names a fiber. The layer that puts fibers on stacks calls this.
void describe_stacks_with(describe_function describe) noexcept;

// The same for the fiber that the calling thread runs. False: it runs none.
using describe_running_function = bool (*)(char* text, std::size_t room) noexcept;
void describe_running_with(describe_running_function describe) noexcept;

// Makes the handler watch an arena; the first call installs the handler. unwatch_guards() ends
// that.
void watch_guards(const stack_arena& arena);
void unwatch_guards(const stack_arena& arena) noexcept;

// Gives the calling kernel thread an alternate signal stack for the lifetime of the object, unless
// the thread has one already. Without an alternate stack, the handler cannot run after a stack
// overflow.
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
