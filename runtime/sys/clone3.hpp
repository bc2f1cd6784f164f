// clone3: clone with its arguments in a struct, and room for more of them.
//
// Without a stack in the arguments the child continues on its copy of the caller's, and the plain
// system call does: sys::call(SYS_clone3, &arguments, sizeof arguments) returns twice. With one,
// the child must leave the caller's frames in assembly, as for clone (clone.hpp).
#pragma once

#include <cstddef>

#include <linux/sched.h>

namespace hilo::sys {

// Returns the child's number in the caller, or -errno and no child. arguments->stack and stack_size
// must end at a clone_start (clone.hpp), which the child takes its entry and argument from.
extern "C" [[gnu::visibility("hidden")]] long hilo_sys_clone3(const clone_args* arguments,
                                                              std::size_t size) noexcept;

}  // namespace hilo::sys
